//! Searches both handshakes for attacks: `peer-model --help`.

use std::io::{self, Write};
use std::process::ExitCode;

use peer_model::config::{self, Config};
use peer_model::property::Property;
use peer_model::search::search;
use peer_model::variant::{self, SOUND, Variant};

const HELP: &str = "\
Usage: peer-model [CONFIG...]
       peer-model --broken NAME [CONFIG...]
       peer-model --list

Without --broken: searches the protocol as it is, all configurations or those named, and prints a table.
With --broken: searches a variant of the protocol that is broken on purpose, and prints the attacks.
--list names configurations, properties and variants.

Exit codes: 0 everything was as it must be; 1 it was not; 2 wrong usage.
";

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments, &mut out) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            // Nobody is left to tell if this fails too.
            let _ = writeln!(io::stderr(), "error: {problem}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String], out: &mut impl Write) -> Result<bool, String> {
    let told = |error: io::Error| error.to_string();
    match arguments.first().map(String::as_str) {
        Some("-h" | "--help") => out.write_all(HELP.as_bytes()).map_err(told).map(|()| true),
        Some("--list") => list(out).map_err(told).map(|()| true),
        Some("--broken") => {
            let name = arguments.get(1).ok_or("--broken needs a name")?;
            let variant =
                Variant::named(name).ok_or_else(|| format!("no variant is called '{name}'"))?;
            let named = configs(arguments.get(2..).unwrap_or_default())?;
            if variant.falls.is_empty() {
                return table(variant, &named, out).map_err(told);
            }
            attacks(variant, &named, out).map_err(told)
        }
        _ => table(&SOUND, &configs(arguments)?, out).map_err(told),
    }
}

/// The configurations of these names; all, if there are none.
fn configs(names: &[String]) -> Result<Vec<Config>, String> {
    if names.is_empty() {
        return Ok(config::ALL.to_vec());
    }
    let find = |name: &String| {
        Config::named(name).copied().ok_or_else(|| format!("no configuration is called '{name}'"))
    };
    names.iter().map(find).collect()
}

fn list(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "configurations")?;
    for config in config::ALL {
        writeln!(out, "  {:20} {}", config.name, config.what)?;
    }
    writeln!(out, "properties")?;
    for property in Property::ALL {
        writeln!(out, "  {}", property.name())?;
    }
    writeln!(out, "broken")?;
    for variant in variant::BROKEN {
        writeln!(out, "  {:22} {}", variant.name, variant.what)?;
    }
    writeln!(out, "broken without effect: something else makes up for it")?;
    for variant in variant::DOUBLED {
        writeln!(out, "  {:22} {}", variant.name, variant.what)?;
    }
    Ok(())
}

/// Searches completely, and says what fell.
fn table(variant: &'static Variant, configs: &[Config], out: &mut impl Write) -> io::Result<bool> {
    let total = Property::ALL.len();
    writeln!(out, "{}", variant.what)?;
    writeln!(out, "configuration         runs   states    steps  depth   held  seconds")?;
    let mut held = true;
    for config in configs {
        let (model, outcome) = search(*config, variant, None);
        held &= outcome.attacks.is_empty();
        writeln!(
            out,
            "{:20} {:5} {:8} {:8} {:6}  {:2}/{total} {:8.2}",
            config.name,
            config.runs.len(),
            outcome.states,
            outcome.steps,
            outcome.depth,
            total - outcome.attacks.len(),
            outcome.took.as_secs_f64(),
        )?;
        out.flush()?;
        for attack in &outcome.attacks {
            writeln!(out, "\n{}", model.chart(attack))?;
        }
    }
    Ok(held)
}

/// Searches until what must fall has fallen.
fn attacks(
    variant: &'static Variant,
    configs: &[Config],
    out: &mut impl Write,
) -> io::Result<bool> {
    let mut found = true;
    for (name, property) in variant.falls {
        let Some(config) = configs.iter().find(|config| config.name == *name) else { continue };
        let (model, outcome) = search(*config, variant, Some(*property));
        match outcome.attack(*property) {
            Some(attack) => writeln!(out, "{}", model.chart(attack))?,
            None => {
                found = false;
                writeln!(out, "{} does not fall in `{name}`\n", property.name())?;
            }
        }
    }
    Ok(found)
}
