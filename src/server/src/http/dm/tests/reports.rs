//! Work that a device takes up in one session and reports on in another.

use super::world::{Phone, Server, XML, post, until};
use crate::campaigns;
use wire::message::Command;

/// R6: 202 is no end; the report is, whatever session it comes in.
#[tokio::test]
async fn a_job_that_was_accepted_waits_for_the_report_of_a_later_session() {
    let server = Server::start("").await;
    server.register(&["IMEI:1"]).await;
    let engine = server.running.engine();
    let text = "campaign: update\nauthority: operator\npurpose: a test\ndevices: {list: [IMEI:1]}\n\
                settings: [{uri: ./Fumo/P/Update, do: exec, within: 2h}]\ndeliver: {mode: pull}\n\
                when: {expires: 2099-01-01T00:00:00Z}\n";
    campaigns::submit(engine, text, false).await.unwrap();
    let view = async || campaigns::view(engine, "operator", "update").await.unwrap();
    // Sessions work on what this process knows to be running, which is a look behind the row.
    let running = || engine.live.snapshot().all().all(|live| live.state.may_begin());
    until(async || view().await.progress.enrolled == 1 && running()).await;

    let (_, opened) = Phone::new("IMEI:1", "5").open(&server).await;
    let reply = opened.message();
    let exec = reply.commands.iter().find_map(|command| match command {
        Command::Exec(exec) => Some(exec),
        _ => None,
    });
    let correlator = exec.unwrap().correlator.clone().expect("a correlator");
    let phone = Phone::new("IMEI:1", "5");
    let taken_up = phone.not_found(3, &reply).replace("<Data>404</Data>", "<Data>202</Data>");
    let over = server.send(&post(&opened.path(), XML, taken_up.as_bytes())).await;
    assert_eq!(over.code(), 200);
    assert_eq!(over.message().commands.len(), 1, "nothing more is asked");
    assert_eq!(view().await.progress.ended, 0);

    // A session later nothing is sent again; one more, and the report ends the job.
    let (_, quiet) = Phone::new("IMEI:1", "6").open(&server).await;
    assert!(quiet.message().commands.iter().all(|command| matches!(command, Command::Status(_))));
    let later = Phone::new("IMEI:1", "7");
    let nonce = server.say(&later.hello(1, None)).await.nonce();
    let report = format!(
        "<Alert><CmdID>9</CmdID><Data>1226</Data><Correlator>{correlator}</Correlator><Item><Meta>\
         <Type xmlns=\"syncml:metinf\">org.openmobilealliance.dm.firmwareupdate.update</Type>\
         <Format xmlns=\"syncml:metinf\">int</Format></Meta><Data>200</Data></Item></Alert><Final/>"
    );
    let said = later.hello(2, Some(&later.right(&nonce))).replace("<Final/>", &report);
    assert_eq!(server.say(&said).await.code(), 212);
    until(async || view().await.progress.ended == 1).await;
    assert_eq!(view().await.progress.outcomes.get("applied"), Some(&1));
    server.stop().await;
}
