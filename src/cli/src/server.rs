//! The admin API as typed calls: bounded answers, refusals in words, patience where a file is being streamed.

use anyhow::{Context, anyhow};
use api::{ProblemDocument, ProblemType};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, header};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The largest answer that is read: a page of the most entries, each of the largest size, with room to spare.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;

/// Reads the address of a server from the command line.
pub(crate) fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; write it as http://host:port"))?;
    match url.scheme() {
        "http" if url.has_host() => Ok(url),
        "https" => Err("this version speaks plain http to the admin port; use a tunnel for anything but loopback".to_owned()),
        _ => Err("write it as http://host:port".to_owned()),
    }
}

/// A server and how to speak to it.
#[derive(Debug)]
pub(crate) struct Server {
    http: Client,
    base: Url,
    /// Pauses before a request is sent again, when nothing or "not now" came back.
    pauses_ms: &'static [u64],
}

/// The server refused: what it said, readable and typed.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) ProblemDocument);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the server refused ({}): {}", self.0.status, self.0)
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    pub(crate) fn kind(&self) -> Option<ProblemType> {
        ProblemType::from_uri(&self.0.kind)
    }
}

impl Server {
    pub(crate) fn new(base: &Url) -> anyhow::Result<Self> {
        let http = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_mins(1))
            .user_agent(concat!("reveille/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .build()
            .context("cannot set up HTTP")?;
        Ok(Self { http, base: base.clone(), pauses_ms: &[] })
    }

    /// The same server, with the patience to outlast its restart: for long streams whose every request may be repeated.
    pub(crate) fn patient(self) -> Self {
        // 21 s in all: what a restart with a large store takes, several times over.
        const PAUSES: &[u64] = &[100, 400, 1_500, 4_000, 6_000, 9_000];
        Self { pauses_ms: PAUSES, ..self }
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> anyhow::Result<T> {
        let url = self.url(path, query)?;
        Ok(self.ask(&url, || self.http.request(Method::GET, url.clone())).await?.1)
    }

    /// Posts JSON.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        body: &impl serde::Serialize,
    ) -> anyhow::Result<T> {
        let body = serde_json::to_vec(body).context("cannot write the request")?;
        Ok(self.post_octets(path, query, "application/json", body.into()).await?.1)
    }

    /// Posts a body of any kind; also says with which status the answer came.
    pub(crate) async fn post_octets<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        kind: &'static str,
        body: bytes::Bytes,
    ) -> anyhow::Result<(StatusCode, T)> {
        let url = self.url(path, query)?;
        let request = || {
            self.http
                .request(Method::POST, url.clone())
                .header(header::CONTENT_TYPE, kind)
                .body(body.clone())
        };
        self.ask(&url, request).await
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<Url> {
        let mut url = self.base.clone();
        // A name may hold a slash: each segment is encoded by itself.
        url.path_segments_mut()
            .map_err(|()| anyhow!("{} cannot carry a path", self.base))?
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        url: &Url,
        request: impl Fn() -> RequestBuilder,
    ) -> anyhow::Result<(StatusCode, T)> {
        let mut pauses = self.pauses_ms.iter();
        loop {
            let answer = self.once(url, request()).await;
            match (&answer, pauses.next()) {
                (Err(error), Some(pause)) if may_pass(error) => {
                    tokio::time::sleep(Duration::from_millis(*pause)).await;
                }
                _ => return answer,
            }
        }
    }

    async fn once<T: DeserializeOwned>(
        &self,
        url: &Url,
        request: RequestBuilder,
    ) -> anyhow::Result<(StatusCode, T)> {
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => {
                let told = format!(
                    "no server answers at {}; start one with `reveille serve`, or name it with --server or REVEILLE_SERVER",
                    self.base
                );
                return Err(anyhow::Error::new(error).context(told));
            }
            Err(error) => {
                return Err(
                    anyhow::Error::new(error).context(format!("no answer from {}", self.base))
                );
            }
        };
        let status = answer.status();
        let body = body(answer)
            .await
            .with_context(|| format!("the answer from {} broke off", self.base))?;
        if !status.is_success() {
            return Err(refusal(status, &body, url));
        }
        let answer = serde_json::from_slice(&body).with_context(|| {
            format!("{url} answered something else than this version of the program understands")
        })?;
        Ok((status, answer))
    }
}

/// The whole body, within bounds.
async fn body(mut answer: Response) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if body.len() + piece.len() > LARGEST_ANSWER {
            return Err(anyhow!("it is longer than {LARGEST_ANSWER} octets"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn refusal(status: StatusCode, body: &[u8], url: &Url) -> anyhow::Error {
    match serde_json::from_slice::<ProblemDocument>(body) {
        Ok(document) => Refusal(document).into(),
        Err(_) if status == StatusCode::NOT_FOUND => {
            anyhow!("{url} does not exist; is this the admin address of a Reveille server?")
        }
        Err(error) => anyhow::Error::new(error)
            .context(format!("{url} answered {status} and no problem document")),
    }
}

/// Whether the same request may succeed in a moment.
fn may_pass(error: &anyhow::Error) -> bool {
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        return matches!(refusal.0.status, 429 | 502 | 503 | 504)
            || refusal.kind() == Some(ProblemType::Contended);
    }
    error.chain().any(|cause| {
        cause
            .downcast_ref::<reqwest::Error>()
            .is_some_and(|error| error.is_connect() || error.is_timeout() || error.is_request())
    })
}

/// Runs a conversation with a server to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start")?.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_slash_stays_one_segment() {
        let server = Server::new(&address("http://127.0.0.1:8081/").unwrap()).unwrap();
        let url =
            server.url(&["v1", "devices", "operator", "urn:x/1 ?#"], &[("cursor", "a&b")]).unwrap();
        assert_eq!(
            url.as_str(),
            "http://127.0.0.1:8081/v1/devices/operator/urn:x%2F1%20%3F%23?cursor=a%26b"
        );
    }

    #[test]
    fn an_address_that_cannot_be_spoken_to_is_refused_with_advice() {
        for (text, advice) in [
            ("127.0.0.1:8081", "http://host:port"),
            ("https://a.example", "plain http"),
            ("ftp://a.example", "http://host:port"),
        ] {
            let error = address(text).unwrap_err();
            assert!(error.contains(advice), "{text}: {error}");
        }
    }
}
