//! A gateway and an initiator of these tests, over sockets.

use super::*;
use crate::{
    Fleet, FleetPlan, Mix, Rule,
    fleet::{HttpConnection, HttpPost, HttpUrl},
    verdict::push::tests::push,
};
use std::net::Ipv4Addr;
use wire::pap::{Address, Code, Content, Document, Pap, Priority, PushMessage, QualityOfService};

const SERVER: &str = "dm.operator.example";

async fn a_gateway(plan: GatewayPlan) -> (PushGateway, Fleet) {
    let gateway = PushGateway::start(plan).await.unwrap();
    let fleet = FleetPlan { mix: Mix::healthy(), ..FleetPlan::new(20, "http://127.0.0.1:1/dm") };
    let fleet = Fleet::start(fleet).await.unwrap();
    gateway.serve(fleet.ears());
    (gateway, fleet)
}

fn message(number: &str, id: &str, results_to: Option<String>) -> PushMessage {
    PushMessage {
        push_id: format!("{id}@dm.operator.example"),
        addresses: vec![Address::of_number(number, "ppg.operator.example")],
        deliver_before: Some("2999-01-01T00:00:00Z".to_owned()),
        notify_requested_to: results_to,
        quality: Some(QualityOfService::short_message(Priority::Medium)),
        ..PushMessage::default()
    }
}

/// Package #0 of a device with its first nonce.
fn package(fleet: &Fleet, index: u64) -> Vec<u8> {
    let identity = fleet.identity(index);
    push(&identity, SERVER, &identity.first_server_nonce, 7)[6..].to_vec()
}

/// Posts a body and answers the HTTP status, and the code if there is a document.
async fn posted(
    gateway: &PushGateway,
    headers: &str,
    kind: &str,
    body: &[u8],
) -> (u16, Option<Code>) {
    let url = gateway.url();
    let url = HttpUrl::parse(&url).unwrap();
    let mut connection =
        HttpConnection::open(url.authority, None, Ipv4Addr::LOCALHOST).await.unwrap();
    let post = HttpPost { url: &url, media_type: kind, headers, mac: None, body };
    let reply = connection.post(post).await.unwrap();
    let code = match Pap::parse(&reply.body).map(|pap| pap.document) {
        Ok(Document::PushResponse(response)) => Some(response.code),
        Ok(Document::Bad(bad)) => Some(bad.code),
        _ => None,
    };
    (reply.status, code)
}

async fn pushed(gateway: &PushGateway, message: &PushMessage, content: &Content<'_>) -> Code {
    let body = message.compose(Some("test"), content, "boundary").unwrap();
    posted(gateway, "", &body.content_type, &body.octets).await.1.unwrap()
}

async fn until(is: impl Fn() -> bool) {
    let waiting = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
}

#[tokio::test]
async fn a_push_gets_to_its_device_and_its_result_is_posted_until_it_is_heard() {
    let (gateway, fleet) = a_gateway(GatewayPlan::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    gateway.post_to(vec![listener.local_addr().unwrap()]);
    let number = fleet.identity(3).msisdn;
    let results_to = Some("http://dm.operator.example/pap/ppg/token".to_owned());
    let message = message(&number, "one", results_to);
    let package = package(&fleet, 3);
    assert_eq!(pushed(&gateway, &message, &Content::notification(&package)).await, Code::Accepted);
    until(|| fleet.report().notifications == 1).await;
    // Not heard the first time, because the server is busy.
    for (status, heard) in [(503, false), (200, true)] {
        let (mut stream, _) = listener.accept().await.unwrap();
        let Read::Whole(request) = request::read(&mut stream, &mut Vec::new()).await.unwrap()
        else {
            panic!("no request")
        };
        let Document::Result(result) = Pap::parse(&request.body).unwrap().document else {
            panic!("{request:?}")
        };
        assert_eq!((result.code, result.state.name()), (Code::Ok, "delivered"));
        assert_eq!(result.push_id, message.push_id);
        let response =
            Pap { product_name: None, document: Document::ResultResponse(result.heard()) };
        let said = if heard { response.write().unwrap() } else { String::new() };
        stream.write_all(&Answer::document(status, said).octets()).await.unwrap();
    }
    until(|| gateway.report().results == 1).await;
    let again = pushed(&gateway, &message, &Content::notification(&package)).await;
    assert_eq!(again, Code::DuplicatePushId);
    let report = gateway.stop().await;
    assert_eq!((report.breaches.count, report.delivered, report.results_again), (0, 1, 1));
    assert_eq!((report.answers[&1001], report.answers[&2007]), (1, 1));
    assert_eq!(fleet.stop().await.breaches.count, 0);
}

/// The published body is a push, every octet of it; its number is nobody's here.
#[tokio::test]
async fn nothing_is_wrong_with_the_vector() {
    let (gateway, _fleet) = a_gateway(GatewayPlan::default()).await;
    let hex = include_str!("../../../../src/wire/tests/vectors/pap/01-push-message.http-body.hex");
    let body = crate::carrier::smsc::octets(hex.trim());
    let kind = "multipart/related; boundary=dm-boundary-7f3a; type=\"application/xml\"";
    let (status, code) = posted(&gateway, "", kind, &body).await;
    assert_eq!((status, code), (202, Some(Code::AddressNotFound)));
    let report = gateway.stop().await;
    assert_eq!(report.breaches.count, 0, "{:?}", report.breaches.first);
}

#[tokio::test]
async fn what_is_wrong_with_a_push_is_a_breach() {
    let (gateway, fleet) = a_gateway(GatewayPlan::default()).await;
    let number = fleet.identity(3).msisdn;
    let package = package(&fleet, 3);
    let right = Content::notification(&package);
    let body = message(&number, "a", None).compose(None, &right, "b").unwrap();
    let cut = &body.octets[..body.octets.len() - 5];
    assert_eq!(posted(&gateway, "", &body.content_type, cut).await.1, Some(Code::BadRequest));
    assert_eq!(posted(&gateway, "", "text/xml", &body.octets).await.1, Some(Code::BadRequest));
    let wrong = PushMessage { push_id: "no host".to_owned(), ..message(&number, "b", None) };
    assert_eq!(pushed(&gateway, &wrong, &right).await, Code::Accepted);
    let content = Content { media_type: "application/octet-stream", ..right };
    assert_eq!(pushed(&gateway, &message(&number, "c", None), &content).await, Code::Accepted);
    let half = Content::notification(&package[..20]);
    assert_eq!(pushed(&gateway, &message(&number, "d", None), &half).await, Code::Accepted);
    let rules: Vec<_> = gateway.stop().await.breaches.by_rule.into_iter().collect();
    let wanted = [
        (Rule::PushRequest, 2),
        (Rule::PushControl, 1),
        (Rule::PushContent, 1),
        (Rule::NotificationMalformed, 1),
    ];
    assert_eq!(rules, wanted);
}

#[tokio::test]
async fn a_gateway_is_as_bad_as_it_was_told_to_be() {
    let account = Some(("me".to_owned(), "secret".to_owned()));
    let (gateway, fleet) = a_gateway(GatewayPlan { account, ..GatewayPlan::default() }).await;
    let number = fleet.identity(3).msisdn;
    let package = package(&fleet, 3);
    let push = |id: &str| {
        let content = Content::notification(&package);
        message(&number, id, None).compose(None, &content, "b").unwrap()
    };
    let body = push("a");
    assert_eq!(posted(&gateway, "", &body.content_type, &body.octets).await, (401, None));
    // me:secret
    let account = "Authorization: Basic bWU6c2VjcmV0\r\n";
    for (courtesy, codes) in [
        (Courtesy { per_second: Some(1), ..Courtesy::default() }, vec![1001, 4001]),
        (Courtesy { unknown: 1.0, ..Courtesy::default() }, vec![2003]),
        (Courtesy { refused_for_now: 1.0, ..Courtesy::default() }, vec![3000]),
        (Courtesy { undelivered: 1.0, ..Courtesy::default() }, vec![1001]),
    ] {
        gateway.change(|now| *now = courtesy);
        for (n, code) in codes.into_iter().enumerate() {
            let body = push(&format!("{code}-{n}-{}", gateway.report().pushes));
            let answered = posted(&gateway, account, &body.content_type, &body.octets).await.1;
            assert_eq!(answered, Some(Code::from_code(code)));
        }
    }
    let over = PushMessage {
        deliver_before: Some("2024-05-01T10:00:00Z".to_owned()),
        ..message(&number, "over", None)
    };
    let body = over.compose(None, &Content::notification(&package), "b").unwrap();
    gateway.change(|now| *now = Courtesy::default());
    let answered = posted(&gateway, account, &body.content_type, &body.octets).await.1;
    assert_eq!(answered, Some(Code::Accepted));
    until(|| gateway.report().expired == 1).await;
    let report = gateway.stop().await;
    assert_eq!((report.strangers, report.delivered, report.undelivered), (1, 1, 1));
}
