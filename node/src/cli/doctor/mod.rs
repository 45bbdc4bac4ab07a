//! `peer doctor`

mod local;
mod network;

use serde::Serialize;

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::{printable, table};
use crate::api::{Client, ClientError};
use crate::paths::DataDir;

/// Check everything that a node needs, and say what is wrong and how to mend it
///
/// Looks at the data directory, key, trust list, configuration and disk; and, if a node runs, at its
/// network: who can reach it, bootstrap peers, registry, clock. The exit code is 1 if something is
/// wrong that keeps the node from working; warnings leave it at 0.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// How serious it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    Ok,
    Warning,
    Wrong,
}

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    grade: Grade,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, grade: Grade::Ok, detail: detail.into(), fix: None }
    }

    fn warning(check: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, grade: Grade::Warning, detail: detail.into(), fix: Some(fix.into()) }
    }

    fn wrong(check: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, grade: Grade::Wrong, detail: detail.into(), fix: Some(fix.into()) }
    }
}

/// All findings.
#[derive(Debug, Serialize)]
struct Report {
    findings: Vec<Finding>,
    warnings: usize,
    wrong: usize,
}

pub(super) async fn execute(
    _: &Args,
    dir: &DataDir,
    client: &Client,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let running = client.status().await;
    let mut findings = local::examine(dir, running.is_ok());
    match running {
        Ok(status) => {
            findings.push(local::version(&status));
            findings.extend(network::examine(&status, &client.netcheck().await?));
            findings.extend(network::stuck(&client.peers().await?));
        }
        Err(ClientError::NoNode { .. }) => {
            let detail = "no node runs on this data directory";
            findings.push(Finding::warning("node", detail, "start it: `peer run`"));
        }
        Err(error) => {
            let failure = error.into_failure();
            findings.push(Finding::wrong("node", failure.detail, failure.next));
        }
    }
    let count = |grade| findings.iter().filter(|finding| finding.grade == grade).count();
    let (warnings, wrong) = (count(Grade::Warning), count(Grade::Wrong));
    let report = Report { findings, warnings, wrong };
    output.show(&report, describe)?;
    Ok(if report.wrong == 0 { Exit::Ok } else { Exit::Failed })
}

fn describe(report: &Report) -> String {
    let row = |finding: &Finding| {
        let grade = match finding.grade {
            Grade::Ok => "ok",
            Grade::Warning => "warning",
            Grade::Wrong => "WRONG",
        };
        vec![finding.check.to_owned(), grade.to_owned(), finding.detail.clone()]
    };
    let mut text = table(&["CHECK", "", "FOUND"], report.findings.iter().map(row).collect());
    text.push('\n');
    for finding in &report.findings {
        if let Some(fix) = &finding.fix {
            text.push_str(&printable(&format!("\n{}: {}", finding.check, fix)));
        }
    }
    let Report { warnings, wrong, .. } = report;
    let outcome = match (wrong, warnings) {
        (0, 0) => "\neverything is in order".to_owned(),
        (0, _) => format!("\n\nnothing is wrong, {warnings} could be better"),
        _ => format!("\n\n{wrong} wrong, {warnings} could be better"),
    };
    text.push_str(&outcome);
    text
}
