//! The network itself, without any node.

use super::Scenario;
use crate::finding::{Finding, expect};
use crate::network::{Family, Home, Host, Nat};
use crate::stage::{Stage, ended};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "topology",
    shows: "the laboratory's own routers: ports stay the same behind one kind and change behind the other, \
            strangers are dropped, holes can be punched through the first kind only",
    short: true,
    needs: &[],
    play,
};

fn play(stage: &Stage) -> Result<(), Finding> {
    let network = stage.network();
    let (one, two) = (network.public("one", Family::Both)?, network.public("two", Family::Both)?);
    for mirror in [&one, &two] {
        stage.helper(mirror, &format!("mirror {}", at(mirror)))?;
    }
    let mut homes = Vec::new();
    for (name, nat) in [("cone-a", Nat::Cone), ("cone-b", Nat::Cone), ("sym", Nat::Symmetric)] {
        let home = network.home(name, nat)?;
        let host = network.inside(&home, &format!("in-{name}"))?;
        homes.push((home, host));
    }
    let [cone_a, cone_b, symmetric] = homes.as_slice() else { return Ok(()) };

    for (home, host) in [cone_a, cone_b] {
        let seen = seen(stage, host, &[&one, &two])?;
        let expected = vec![format!("{}:4000", home.outside()); 2];
        expect(seen == expected, "a cone router keeps the port", || format!("{seen:?}"))?;
    }
    let seen = seen(stage, &symmetric.1, &[&one, &two])?;
    let different = seen.len() == 2 && seen[0] != seen[1] && !seen.contains(&"-".to_owned());
    expect(different, "a symmetric router has a port for each", || format!("{seen:?}"))?;
    stage.note("ports kept and changed as they should be");

    let stranger =
        ended(stage.begin(
            &two,
            &format!("probe 0.0.0.0:5001 {}:4000 --patience 300", cone_a.0.outside()),
        )?)?;
    expect(stranger.trim() == "-", "a stranger is dropped", || stranger.clone())?;

    let through = punched(stage, cone_a, cone_b)?;
    expect(through == [true, true], "a hole is punched, cone to cone", || format!("{through:?}"))?;
    let through = punched(stage, cone_a, symmetric)?;
    expect(through == [false, false], "none is, cone to symmetric", || format!("{through:?}"))?;
    stage.note("strangers dropped; holes only from cone to cone");
    Ok(())
}

fn at(mirror: &Host) -> String {
    mirror.v4().map(|v4| format!("{v4}:5000")).unwrap_or_default()
}

/// As whom the mirrors see a socket of `host` whose own port is 4000.
fn seen(stage: &Stage, host: &Host, mirrors: &[&Host]) -> Result<Vec<String>, Finding> {
    let mirrors: Vec<_> = mirrors.iter().map(|mirror| at(mirror)).collect();
    let seen = ended(stage.begin(host, &format!("probe 0.0.0.0:4000 {}", mirrors.join(" ")))?)?;
    Ok(seen.lines().map(str::to_owned).collect())
}

/// Whether each hears the other when both send to each other's router at once, from port 4001.
fn punched(stage: &Stage, a: &(Home, Host), b: &(Home, Host)) -> Result<[bool; 2], Finding> {
    let to = |(home, _): &(Home, Host)| {
        format!("probe 0.0.0.0:4001 {}:4001 --patience 1500", home.outside())
    };
    let (one, other) = (stage.begin(&a.1, &to(b))?, stage.begin(&b.1, &to(a))?);
    Ok([ended(one)?.trim() != "-", ended(other)?.trim() != "-"])
}
