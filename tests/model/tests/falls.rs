//! The protocol broken on purpose: the search finds the attack.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail by panicking")]

use peer_model::config::Config;
use peer_model::property::Property;
use peer_model::search::search;
use peer_model::variant::{BROKEN, Variant};

fn falls(name: &str) {
    let variant = Variant::named(name).unwrap();
    assert!(!variant.falls.is_empty());
    for (name, property) in variant.falls {
        let config = Config::named(name).unwrap();
        let (model, outcome) = search(*config, variant, Some(*property));
        let attack = outcome.attack(*property);
        let attack = attack.unwrap_or_else(|| panic!("{property:?} holds in `{name}`"));
        println!("{}", model.chart(attack));
        assert!(!attack.events.is_empty());
    }
}

macro_rules! fall {
    ($($test:ident)*) => {
        $(
            #[test]
            fn $test() {
                falls(&stringify!($test).replace('_', "-"));
            }
        )*

        #[test]
        fn no_variant_is_left_out() {
            let tested = [$(stringify!($test).replace('_', "-")),*];
            let all: Vec<&str> = BROKEN.iter().map(|variant| variant.name).collect();
            assert_eq!(tested.as_slice(), all);
        }
    };
}

fall! {
    unsigned shares_unbound shares_unconfirmed identity_unbound offers_unbound features_unbound choice_unbound
    session_unbound lifetime_unbound no_confirmation keys_without_transcript static_exchange
    static_authentication responder_repeats no_guard no_window one_key unsigned_records no_trust
    trust_asked_once own_key_accepted
}

#[test]
fn every_property_falls_somewhere() {
    for property in Property::ALL {
        let mut all = BROKEN.iter().flat_map(|variant| variant.falls);
        assert!(all.any(|(_, fallen)| *fallen == property), "nothing breaks {property:?}");
    }
}
