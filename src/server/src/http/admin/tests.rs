//! The whole door over real sockets: what a caller gets for each kind of request.

use super::from_a_web_page;
use crate::{Running, config::Config, readiness::Part, start};
use api::{ProblemDocument, ProblemType};
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::net::TcpStream;

struct Server {
    running: Running,
    _directory: tempfile::TempDir,
}

/// An answer: status, content type, body.
struct Answer {
    status: u16,
    kind: String,
    body: Value,
}

impl Answer {
    fn problem(&self) -> ProblemType {
        assert_eq!(self.kind, api::PROBLEM_JSON);
        let document: ProblemDocument = serde_json::from_value(self.body.clone()).unwrap();
        assert_eq!(document.status, self.status);
        ProblemType::from_uri(&document.kind).unwrap()
    }
}

impl Server {
    async fn start() -> Self {
        Self::start_with("").await
    }

    async fn start_with(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let text = format!(
            "[store]\nkind = \"embedded\"\npath = \"{}\"\n[http.devices]\nlisten = \"127.0.0.1:0\"\n[http.admin]\nlisten = \"127.0.0.1:0\"\n{more}",
            directory.path().join("data").display()
        );
        let running = start(Config::read("", &text, &[]).unwrap()).await.unwrap();
        Self { running, _directory: directory }
    }

    async fn get(&self, path: &str) -> Answer {
        send(self.running.admin, Request::get(path).body(Full::default()).unwrap()).await
    }

    async fn post(&self, path: &str, kind: &str, body: impl Into<Bytes>) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, kind);
        send(self.running.admin, request.body(Full::new(body.into())).unwrap()).await
    }

    async fn imported(&self, lines: &str) -> Value {
        let answer = self
            .post("/v1/devices/import?format=jsonl", "application/jsonl", lines.to_owned())
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }
}

async fn send(to: SocketAddr, mut request: Request<Full<Bytes>>) -> Answer {
    let stream = TcpStream::connect(to).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    if !request.headers().contains_key(header::HOST) {
        request.headers_mut().insert(header::HOST, to.to_string().parse().unwrap());
    }
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let kind = response
        .headers()
        .get(header::CONTENT_TYPE)
        .map_or("", |kind| kind.to_str().unwrap())
        .to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer { status, kind, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
}

const CAMPAIGN: &str = "\
campaign: qos
authority: operator
purpose: a test
devices: {list: [IMEI:1, IMEI:2, \"msisdn:447700900001\"], file: more.csv}
settings: [{uri: ./ConnMO/Max, value: \"1\"}]
deliver: {mode: pull}
when: {expires: 2099-01-01T00:00:00Z}
";

#[tokio::test]
async fn devices_go_in_and_are_found_again() {
    let server = Server::start().await;
    let report = server
        .imported("{\"device\":\"IMEI:1\",\"secret\":\"s\",\"msisdn\":\"447700900001\"}\n{\"device\":\"urn:x/2\",\"secret\":\"s\"}\n{\"device\":\"IMEI:3\"}\n")
        .await;
    assert_eq!(report["imported"], 2);
    assert_eq!(report["errors"][0]["line"], 3);
    assert_eq!(report["errors"][0]["key"], "secret");
    assert_eq!(
        server.get("/v1/devices/operator/msisdn:447700900001").await.body["device"],
        "IMEI:1"
    );
    assert_eq!(server.get("/v1/devices/operator/urn:x%2F2").await.body["device"], "urn:x/2");
    let page = server.get("/v1/devices?authority=operator&limit=10").await.body;
    assert_eq!(page["devices"].as_array().unwrap().len(), 2);
    assert_eq!(
        server.get("/v1/devices/operator/IMEI:9").await.problem(),
        ProblemType::NoSuchDevice
    );
    assert_eq!(
        server.get("/v1/devices/nobody/IMEI:1").await.problem(),
        ProblemType::NoSuchAuthority
    );
    server.running.stop().await;
}

#[tokio::test]
async fn a_csv_import_with_a_wrong_column_names_it() {
    let server = Server::start().await;
    let answer = server
        .post("/v1/devices/import", "text/csv; charset=utf-8", "device,sekret\nIMEI:1,s\n")
        .await;
    assert_eq!((answer.status, answer.problem()), (422, ProblemType::BadBody));
    assert_eq!(answer.body["problems"][0]["path"], "sekret");
    server.running.stop().await;
}

/// C4, C6: the way of a campaign through the admin API, each step repeatable.
#[tokio::test]
async fn a_campaign_is_submitted_once_fed_watched_and_aborted() {
    let server = Server::start().await;
    server
        .imported(
            "{\"device\":\"IMEI:1\",\"secret\":\"s\"}\n{\"device\":\"IMEI:2\",\"secret\":\"s\"}\n",
        )
        .await;
    let dry = server.post("/v1/campaigns?dry_run=true", "application/yaml", CAMPAIGN).await;
    assert_eq!(dry.status, 200, "{}", dry.body);
    assert_eq!(
        server.get("/v1/campaigns/operator/qos").await.problem(),
        ProblemType::NoSuchCampaign
    );

    let submitted = server.post("/v1/campaigns", "application/yaml", CAMPAIGN).await;
    assert_eq!(submitted.status, 201, "{}", submitted.body);
    assert_eq!(server.post("/v1/campaigns", "application/yaml", CAMPAIGN).await.status, 200);
    let other = CAMPAIGN.replace("./ConnMO/Max", "./ConnMO/Min");
    let other = server.post("/v1/campaigns", "application/yaml", other).await;
    assert_eq!((other.status, other.problem()), (409, ProblemType::OtherCampaign));

    let part = "/v1/campaigns/operator/qos/devices?part=0&parts=1";
    let report = server.post(part, "application/json", r#"["IMEI:1","IMEI:404"]"#).await;
    assert_eq!(report.status, 200, "{}", report.body);
    let bad = server.post(part, "application/json", json!(["", "x".repeat(200)]).to_string()).await;
    assert_eq!((bad.status, bad.problem()), (422, ProblemType::BadBody));
    assert_eq!(bad.body["problems"][1]["path"], "[1]");

    let view = server.get("/v1/campaigns/operator/qos").await.body;
    assert_eq!(view["purpose"], "a test");
    assert_eq!(server.get("/v1/campaigns?limit=5").await.body["campaigns"][0]["id"], "qos");
    for (verb, state) in [("pause", "paused"), ("pause", "paused"), ("abort", "ending")] {
        let body = json!({"why": "a test"}).to_string();
        let moved = server
            .post(&format!("/v1/campaigns/operator/qos/{verb}"), "application/json", body)
            .await;
        assert_eq!((moved.status, moved.body["state"].as_str()), (200, Some(state)), "{verb}");
    }
    let late = server.post("/v1/campaigns/operator/qos/resume", "application/json", "").await;
    assert_eq!((late.status, late.problem()), (409, ProblemType::WrongState));
    assert_eq!(server.get("/v1/campaigns/operator/qos/results").await.status, 200);
    server.running.stop().await;
}

#[tokio::test]
async fn a_bad_campaign_is_refused_with_every_mistake_and_its_place() {
    let server = Server::start().await;
    let bad = CAMPAIGN.replace("./ConnMO/Max", "./User/Max").replace("purpose:", "porpoise:");
    let answer = server.post("/v1/campaigns", "application/yaml", bad).await;
    assert_eq!((answer.status, answer.problem()), (422, ProblemType::BadCampaign));
    let problem = &answer.body["problems"][0];
    assert!(
        problem["line"].is_u64() && !problem["what"].as_str().unwrap().is_empty(),
        "{}",
        answer.body
    );
    let stranger = CAMPAIGN.replace("authority: operator", "authority: nobody");
    let answer = server.post("/v1/campaigns", "application/yaml", stranger).await;
    assert_eq!(answer.problem(), ProblemType::NoSuchAuthority);
    server.running.stop().await;
}

#[tokio::test]
async fn every_request_that_cannot_be_gets_its_own_problem() {
    let server = Server::start().await;
    let huge = "x".repeat(api::MOST_IMPORT_OCTETS + 1);
    let document = "x".repeat(api::MOST_CAMPAIGN_OCTETS + 1);
    let post = async |path: &str, kind: &str, body: &str| {
        server.post(path, kind, body.to_owned()).await.problem()
    };
    assert_eq!(server.get("/v1/nothing").await.problem(), ProblemType::NoSuchPath);
    assert_eq!(server.get("/v1/devices/import").await.problem(), ProblemType::WrongMethod);
    assert_eq!(post("/v1/devices", "application/json", "").await, ProblemType::WrongMethod);
    assert_eq!(
        post("/v1/campaigns/a/b/explode", "application/json", "{}").await,
        ProblemType::NoSuchPath
    );
    assert_eq!(
        post("/v1/devices/import?format=csv", "text/csv", &huge).await,
        ProblemType::TooLarge
    );
    assert_eq!(post("/v1/campaigns", "application/yaml", &document).await, ProblemType::TooLarge);
    assert_eq!(post("/v1/campaigns", "text/plain", CAMPAIGN).await, ProblemType::WrongMediaType);
    assert_eq!(
        post("/v1/devices/import?format=csv", "application/json", "").await,
        ProblemType::WrongMediaType
    );
    assert_eq!(
        post("/v1/devices/import?format=xls", "text/csv", "").await,
        ProblemType::BadRequest
    );
    assert_eq!(
        post("/v1/devices/import?fromat=csv", "text/csv", "").await,
        ProblemType::BadRequest
    );
    assert_eq!(
        post("/v1/campaigns/operator/qos/devices", "application/json", "[]").await,
        ProblemType::BadRequest
    );
    assert_eq!(
        post("/v1/campaigns/operator/qos/devices?part=0", "application/json", "{}").await,
        ProblemType::BadBody
    );
    assert_eq!(
        post("/v1/campaigns/operator/qos/abort", "application/json", "{\"wy\":1}").await,
        ProblemType::BadBody
    );
    assert_eq!(server.get("/v1/devices?cursor=zz").await.problem(), ProblemType::BadRequest);
    assert_eq!(server.get("/v1/campaigns?cursor=zz").await.problem(), ProblemType::BadRequest);
    assert_eq!(server.get("/v1/devices/operator/%FF").await.problem(), ProblemType::BadRequest);
    server.running.stop().await;
}

#[tokio::test]
async fn a_page_in_a_browser_cannot_use_the_door() {
    let server = Server::start().await;
    for (name, value) in
        [(header::ORIGIN, "https://evil.example"), (header::HOST, "evil.example:8081")]
    {
        let request = Request::post("/v1/campaigns/operator/qos/abort").header(name, value);
        let answer = send(server.running.admin, request.body(Full::default()).unwrap()).await;
        assert_eq!((answer.status, answer.problem()), (403, ProblemType::Forbidden));
    }
    server.running.stop().await;
}

#[tokio::test]
async fn a_working_server_says_so() {
    let server = Server::start().await;
    assert_eq!(server.get("/health/live").await.body, json!({"status": "live"}));
    let parts = json!({"store": "ready", "campaigns": "ready"});
    let ready = server.get("/health/ready").await.body;
    let routes = json!({"udp": "up"});
    assert_eq!(ready, json!({"status": "ready", "parts": parts, "routes": routes}));
    server.running.stop().await;
}

#[test]
fn a_web_page_is_known_by_its_origin_or_by_a_foreign_host() {
    let with = |name: header::HeaderName, value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        from_a_web_page(&headers)
    };
    assert!(with(header::ORIGIN, "https://evil.example"));
    assert!(with(header::ORIGIN, "null"));
    for foreign in ["evil.example", "evil.example:8081", "localhost.evil.example:8081", ""] {
        assert!(with(header::HOST, foreign), "{foreign}");
    }
    for local in ["127.0.0.1:8081", "localhost:8081", "LOCALHOST", "[::1]:8081", "127.0.0.1"] {
        assert!(!with(header::HOST, local), "{local}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_ready_names_what_is_missing() {
    let server = Server::start().await;
    let readiness = &server.running.engine().readiness;
    readiness.not_ready(Part::Broker, "the broker refuses the user `reveille`");
    let answer = server.get("/health/ready").await;
    assert_eq!((answer.status, answer.problem()), (503, ProblemType::NotReady));
    assert_eq!(answer.body["detail"], "not ready: broker");
    assert_eq!(answer.body["problems"][0]["what"], "the broker refuses the user `reveille`");
    assert_eq!(server.get("/health/live").await.status, 200, "it must not be killed for that");
    readiness.ready(Part::Broker);
    assert_eq!(server.get("/health/ready").await.status, 200);
    server.running.stop().await;
}

/// C5: Prometheus on another machine sees the metrics, and nothing else; it comes under whatever name it likes.
#[tokio::test]
async fn metrics_and_health_stand_on_a_port_of_their_own() {
    let server = Server::start_with("[telemetry]\nlisten = \"127.0.0.1:0\"").await;
    let telemetry = server.running.telemetry.unwrap();
    let get = async |path: &str| {
        let request = Request::get(path).header(header::HOST, "worker-1:9464");
        send(telemetry, request.body(Full::default()).unwrap()).await
    };
    let metrics = get("/metrics").await;
    assert_eq!((metrics.status, metrics.kind.as_str()), (200, prometheus::TEXT_FORMAT));
    assert_eq!(get("/health/live").await.status, 200);
    assert_eq!(get("/health/ready").await.status, 200);
    assert_eq!(get("/v1/devices").await.problem(), ProblemType::NoSuchPath);
    assert_eq!(server.get("/metrics").await.status, 200, "operators have them, too");
    server.running.stop().await;
}
