//! `campaign results`: the outcome of every device, as a table, CSV or JSON lines, a page in memory at a time.

use super::Name;
use crate::{console::Console, server::Server};
use api::{ResultLine, ResultPage};
use campaign::job::Outcome;
use clap::Args;
use std::{io::Write, process::ExitCode};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  reveille campaign results operator/qos-uplift-2026-11 --outcome failed
  reveille campaign results operator/qos-uplift-2026-11 --csv > results.csv")]
pub struct Results {
    campaign: Name,
    /// As CSV with a header
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Only devices with this outcome; may be repeated
    #[arg(long, value_name = "OUTCOME", value_parser = known_outcome)]
    outcome: Vec<String>,
}

const COLUMNS: [&str; 8] = ["device", "outcome", "at", "attempts", "uri", "status", "phase", "why"];

/// The name of an outcome: a misspelt one would find nobody and say so as if it were an answer.
fn known_outcome(name: &str) -> Result<String, String> {
    if Outcome::from_name(name).is_some() {
        return Ok(name.to_owned());
    }
    let known = Outcome::ALL.map(Outcome::name).join(", ");
    Err(format!("there is no such outcome; there are {known}"))
}

pub(super) async fn run(
    args: Results,
    server: &Server,
    console: &mut Console<'_>,
) -> anyhow::Result<ExitCode> {
    let campaign = args.campaign.full(server).await?;
    let path = campaign.path(&["results"]);
    let limit = api::MOST_PER_PAGE.to_string();
    let (mut cursor, mut begun) = (None::<String>, false);
    while !begun || cursor.is_some() {
        let mut query = vec![("limit", limit.as_str())];
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let mut page: ResultPage = server.get(&path, &query).await?;
        page.results.retain(|line| args.outcome.is_empty() || args.outcome.contains(&line.outcome));
        if console.json {
            page.results.iter().try_for_each(|line| console.line_of_json(line))?;
        } else if args.csv {
            csv(&page.results, !begun, console.out)?;
        } else {
            table(&page.results, !begun, console.out)?;
        }
        begun = true;
        cursor = page.next;
    }
    Ok(ExitCode::SUCCESS)
}

fn csv(lines: &[ResultLine], header: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    if header {
        csv.write_record(COLUMNS)?;
    }
    for line in lines {
        csv.write_record(fields(line))?;
    }
    Ok(csv.flush()?)
}

fn fields(line: &ResultLine) -> [String; 8] {
    [
        line.device.clone(),
        line.outcome.clone(),
        line.at.clone(),
        line.attempts.to_string(),
        line.uri.clone().unwrap_or_default(),
        line.status.map(|status| status.to_string()).unwrap_or_default(),
        line.phase.clone().unwrap_or_default(),
        line.why.clone().unwrap_or_default(),
    ]
}

/// Columns of fixed width: the whole is never in memory to be measured.
fn table(lines: &[ResultLine], header: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if header {
        writeln!(out, "{:<28} {:<15} {:<24} {:>8}  DETAIL", "DEVICE", "OUTCOME", "AT", "ATTEMPTS")?;
    }
    for line in lines {
        let row = format!(
            "{:<28} {:<15} {:<24} {:>8}  {}",
            line.device,
            line.outcome,
            line.at,
            line.attempts,
            detail(line)
        );
        writeln!(out, "{}", row.trim_end())?;
    }
    Ok(())
}

/// What happened where: `write ./AP/WAP/Addr: 405 NotAllowed; why`.
fn detail(line: &ResultLine) -> String {
    let status = line
        .status
        .map(|code| format!("{code} {}", wire::status::StatusCode::from_code(code).name()));
    let place =
        [line.phase.clone(), line.uri.clone()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let what = [Some(place).filter(|place| !place.is_empty()), status]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(": ");
    [Some(what).filter(|what| !what.is_empty()), line.why.clone()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_failure() -> ResultLine {
        ResultLine {
            run: 0,
            device: "IMEI:350000000000017".into(),
            outcome: "failed".into(),
            at: "2026-11-25T01:02:03Z".into(),
            attempts: 1,
            uri: Some("./AP/WAP/Addr".into()),
            status: Some(405),
            phase: Some("write".into()),
            why: None,
        }
    }

    #[test]
    fn r6_a_failure_names_the_node_the_status_and_the_phase() {
        assert_eq!(detail(&a_failure()), "write ./AP/WAP/Addr: 405 NotAllowed");
        let skipped = ResultLine {
            uri: None,
            status: None,
            phase: None,
            why: Some("model cannot do this".into()),
            ..a_failure()
        };
        assert_eq!(detail(&skipped), "model cannot do this");
    }

    #[test]
    fn csv_has_one_header_and_quotes_what_needs_it() {
        let mut out = Vec::new();
        csv(&[ResultLine { why: Some("a, \"b\"".into()), ..a_failure() }], true, &mut out).unwrap();
        csv(&[a_failure()], false, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "device,outcome,at,attempts,uri,status,phase,why\n\
             IMEI:350000000000017,failed,2026-11-25T01:02:03Z,1,./AP/WAP/Addr,405,write,\"a, \"\"b\"\"\"\n\
             IMEI:350000000000017,failed,2026-11-25T01:02:03Z,1,./AP/WAP/Addr,405,write,\n"
        );
    }
}
