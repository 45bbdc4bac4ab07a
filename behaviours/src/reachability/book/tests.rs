use super::*;

fn at(seconds: u64) -> Instant {
    Instant::from_start(Duration::from_secs(seconds))
}

fn address(text: &str) -> Multiaddr {
    text.parse().unwrap()
}

fn global() -> Multiaddr {
    address("/ip4/11.0.0.7/tcp/4711")
}

#[test]
fn a_candidate_counts_once_it_was_reached() {
    let mut book = Book::default();
    book.update(Source::Observed, [&global()], at(0));
    assert_eq!((book.status(), book.confirmed()), (Status::Unknown, vec![]));
    assert_eq!(book.next_test(at(0)), Some(global()));
    assert_eq!(book.next_test(at(1)), None, "one test at a time");
    assert!(book.reached(&global(), at(1)));
    assert!(!book.reached(&global(), at(2)), "it is known");
    assert_eq!((book.status(), book.confirmed()), (Status::Public, vec![global()]));
}

/// AutoNAT servers have confirmed loopback addresses, and peers may claim anything.
#[test]
fn only_global_addresses_are_confirmed() {
    let mut book = Book::default();
    for text in [
        "/ip4/127.0.0.1/tcp/1",
        "/ip4/192.168.1.2/tcp/1",
        "/ip4/100.64.0.1/tcp/1",
        "/ip4/203.0.113.1/tcp/1",
        "/ip6/fe80::1/tcp/1",
        "/dns/example.org/tcp/1",
    ] {
        book.update(Source::Listener, [&address(text)], at(0));
        assert!(!book.reached(&address(text), at(0)), "{text}");
    }
    assert!(!book.reached(&global(), at(0)), "nobody proposed it");
    assert_eq!((book.status(), book.next_test(at(0))), (Status::Unknown, None));
}

#[test]
fn what_nothing_confirms_is_tested_again_and_then_forgotten() {
    let mut book = Book::default();
    book.update(Source::Observed, [&global()], at(0));
    book.reached(&global(), at(0));
    assert_eq!(book.next_test(at(299)), None);
    assert_eq!(book.next_test(at(300)), Some(global()));
    book.refresh(&global(), at(600));
    assert!(book.expire(at(1_499)).is_empty());
    assert_eq!(book.expire(at(1_500)), [global()]);
    assert_eq!(book.status(), Status::Unknown);
    book.refresh(&global(), at(1_501));
    assert_eq!(book.status(), Status::Unknown, "a claim alone confirms nothing");
}

#[test]
fn two_failed_tests_in_a_row_take_an_address_away() {
    let mut book = Book::default();
    book.update(Source::Observed, [&global()], at(0));
    book.reached(&global(), at(0));
    assert!(!book.not_reached(&global(), at(300)));
    book.reached(&global(), at(310));
    assert!(!book.not_reached(&global(), at(600)));
    assert!(book.not_reached(&global(), at(610)));
    assert_eq!(book.status(), Status::Private);
    let mut pauses = Vec::new();
    let (mut now, mut before) = (610, 610);
    while now < 4_000 {
        if book.next_test(at(now)).is_some() {
            pauses.push(now - before);
            before = now;
            book.not_reached(&global(), at(now));
        }
        now += 1;
    }
    assert_eq!(pauses, [20, 40, 80, 160, 320, 600, 600, 600, 600]);
}

#[test]
fn the_operators_word_stands() {
    let mut book = Book::default();
    let name = address("/dns/example.org/tcp/1");
    for address in [name.clone(), global()] {
        assert!(book.vouch(address, Source::Configured, at(0)));
    }
    book.update(Source::Observed, [&global()], at(1));
    book.update(Source::Observed, [], at(2));
    assert_eq!(book.next_test(at(100_000)), None);
    book.not_reached(&global(), at(3));
    book.not_reached(&global(), at(3));
    assert!(book.expire(at(100_000)).is_empty());
    assert_eq!(book.confirmed(), [global(), name]);
    assert_eq!(book.status(), Status::Public);
}

#[test]
fn what_the_router_takes_back_is_gone() {
    let mut book = Book::default();
    assert!(book.vouch(global(), Source::Router, at(0)));
    assert!(book.withdraw(&global()));
    assert!(!book.withdraw(&global()));
    assert_eq!(book.status(), Status::Unknown);
}

/// It says once that it forwards a port, and renews that by itself.
#[test]
fn what_the_router_forwards_is_believed_until_tests_fail() {
    let mut book = Book::default();
    assert!(book.vouch(global(), Source::Router, at(0)));
    book.update(Source::Observed, [&global()], at(1));
    book.update(Source::Observed, [], at(2));
    assert!(book.expire(at(100_000)).is_empty());
    assert_eq!(book.confirmed(), [global()]);
    assert_eq!(book.next_test(at(100_000)), Some(global()));
    assert!(!book.not_reached(&global(), at(100_000)));
    assert!(book.not_reached(&global(), at(100_010)));
    assert_eq!(book.status(), Status::Private);
    assert!(book.reached(&global(), at(100_020)), "it is tested again all the same");
}

/// Anybody can claim things as often as he likes.
#[test]
fn claims_bring_a_test_forward_and_no_sooner_than_ten_seconds_after_another() {
    let mut book = Book::default();
    book.update(Source::Listener, [&global()], at(0));
    for _ in 0..10 {
        book.not_reached(&global(), at(0));
    }
    let tested = |book: &mut Book, claims: bool| {
        let due = (0..100).filter(|second| {
            if claims {
                book.test_soon(&global(), at(*second));
            }
            book.next_test(at(*second)).is_some() && {
                book.not_reached(&global(), at(*second));
                true
            }
        });
        due.collect::<Vec<_>>()
    };
    assert!(tested(&mut book, false).is_empty());
    assert_eq!(tested(&mut book, true), [10, 21, 32, 43, 54, 65, 76, 87, 98]);
    assert_eq!(book.status(), Status::Private);
}

#[test]
fn candidates_are_bounded_and_go_when_nobody_sees_them() {
    let mut book = Book::default();
    let many: Vec<_> = (1..100).map(|port| address(&format!("/ip4/11.0.0.7/tcp/{port}"))).collect();
    book.update(Source::Observed, &many, at(0));
    assert_eq!(book.iter().count(), MAX_ADDRESSES);
    book.reached(&many[0], at(0));
    book.update(Source::Observed, [], at(1));
    assert_eq!(book.iter().count(), 1, "the confirmed one stays until it is not believed");
    assert_eq!(book.expire(at(900)), [many[0].clone()]);
    assert_eq!(book.iter().count(), 0);
}
