//! Every refusal as a problem document (RFC 9457), and the one place where each error becomes one.

use crate::{
    campaigns,
    care::CareError,
    registry::{ImportError, RegistryError},
    store::StoreError,
    trigger::TriggerError,
    update::UpdateError,
};
use api::{PROBLEM_JSON, Problem, ProblemDocument, ProblemType};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::error::Error;

/// What a request gets that is not granted.
#[derive(Debug)]
pub(crate) struct Refusal(ProblemDocument);

impl Refusal {
    /// What would be answered: the message that failed gets it as its reason.
    pub(crate) fn into_document(self) -> ProblemDocument {
        self.0
    }

    pub(crate) fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        Self(ProblemDocument::new(kind, detail))
    }

    pub(crate) fn with_problems(self, problems: Vec<Problem>) -> Self {
        Self(self.0.with_problems(problems))
    }

    /// Our own fault: the log gets the causes, the caller a sentence.
    pub(super) fn internal(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error, "a request failed");
        Self::new(ProblemType::Internal, "the log of the server tells more")
    }

    fn store(error: &StoreError) -> Self {
        match error {
            StoreError::TooMuch { .. } | StoreError::Refused(_) | StoreError::Corrupt(_) => {
                Self::internal(error)
            }
            StoreError::Unavailable { .. } => {
                tracing::warn!(error = error as &dyn Error, "the store is away");
                Self::new(ProblemType::StoreAway, "nothing was done: repeat the request later")
            }
            StoreError::Poisoned(_) | StoreError::Closing | StoreError::Backend { .. } => {
                tracing::warn!(error = error as &dyn Error, "the store does not answer");
                Self::new(
                    ProblemType::StoreAway,
                    "what was asked may be done or not: repeat the request later",
                )
            }
        }
    }

    fn update(error: &UpdateError) -> Self {
        match error {
            UpdateError::Store(error) => Self::store(error),
            UpdateError::Row(error) => Self::internal(error),
            UpdateError::Contended => Self::new(ProblemType::Contended, "repeat the request"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response =
            (status, serde_json::to_vec(&self.0).unwrap_or_default()).into_response();
        // For whoever counts answers on their way out.
        response.extensions_mut().insert(ProblemType::from_uri(&self.0.kind));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

impl From<RegistryError> for Refusal {
    fn from(error: RegistryError) -> Self {
        match &error {
            RegistryError::Store(error) => Self::store(error),
            RegistryError::Update(error) => Self::update(error),
            RegistryError::Row(_) | RegistryError::Seal(_) => Self::internal(&error),
            RegistryError::Cursor => {
                Self::new(ProblemType::BadRequest, "`cursor` is not one that a list gave as `next`")
            }
        }
    }
}

impl From<ImportError> for Refusal {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Registry(error) => error.into(),
            ImportError::Header(faults) => {
                let problems = faults.into_iter().map(|fault| Problem {
                    path: fault.key,
                    line: Some(1),
                    what: fault.what,
                    help: fault.help,
                });
                Self::new(ProblemType::BadBody, "the header is wrong, so no line was read")
                    .with_problems(problems.collect())
            }
        }
    }
}

impl From<CareError> for Refusal {
    fn from(error: CareError) -> Self {
        use CareError as E;
        match error {
            E::Refused(problems) => {
                let problems = problems.into_iter().map(|problem| Problem {
                    path: problem.path,
                    line: None,
                    what: problem.what,
                    help: problem.help,
                });
                Self::new(ProblemType::BadBody, "nothing is done").with_problems(problems.collect())
            }
            E::NoDevice(_) => Self::new(ProblemType::NoSuchDevice, error.to_string()),
            E::NoCare(_) => Self::new(ProblemType::NoSuchCare, error.to_string()),
            E::UnderWay(_) => Self::new(ProblemType::CareUnderWay, error.to_string()),
            E::Full(_) => Self::new(ProblemType::Busy, error.to_string()),
            E::Contended => Self::new(ProblemType::Contended, "repeat the request"),
            E::Store(error) => Self::store(&error),
            E::Registry(error) => error.into(),
            E::Row(_) | E::Seal(_) | E::Document(_) | E::Work(_) => Self::internal(&error),
        }
    }
}

impl From<TriggerError> for Refusal {
    fn from(error: TriggerError) -> Self {
        use TriggerError as E;
        match &error {
            E::Bad { .. } => Self::new(ProblemType::BadBody, error.to_string()),
            E::NoDevice(_) => Self::new(ProblemType::NoSuchDevice, error.to_string()),
            E::NoCampaign { .. } => Self::new(
                ProblemType::NoSuchCampaign,
                format!("{error}: submit one with `on: {{reason: …}}`"),
            ),
            E::Later => Self::new(ProblemType::Busy, error.to_string()),
            E::Behind => Self::new(ProblemType::NotReady, error.to_string()),
            E::Contended => Self::new(ProblemType::Contended, "repeat the request"),
            E::Store(error) => Self::store(error),
            E::Update(error) => Self::update(error),
            E::Row(_) => Self::internal(&error),
            E::Registry(_) => match error {
                E::Registry(error) => error.into(),
                error => Self::internal(&error),
            },
            E::Enrol(_) => match error {
                E::Enrol(error) => campaigns::Error::from(error).into(),
                error => Self::internal(&error),
            },
        }
    }
}

impl From<campaigns::Error> for Refusal {
    fn from(error: campaigns::Error) -> Self {
        use campaigns::Error as E;
        match &error {
            E::Refused(problems) => {
                let problems = problems.iter().map(|problem| Problem {
                    path: problem.path.clone(),
                    line: problem.line,
                    what: problem.what.clone(),
                    help: problem.help.clone(),
                });
                Self::new(ProblemType::BadCampaign, "nothing was stored")
                    .with_problems(problems.collect())
            }
            E::NoAuthority(_) => Self::new(ProblemType::NoSuchAuthority, error.to_string()),
            E::NotFound { .. } => Self::new(ProblemType::NoSuchCampaign, error.to_string()),
            E::Different(_) => Self::new(
                ProblemType::OtherCampaign,
                format!("{error}: give this one an id of its own"),
            ),
            E::TooMany(_) => Self::new(ProblemType::Busy, error.to_string()),
            E::NoFile | E::Closed(_) | E::TooLate(_) => {
                Self::new(ProblemType::WrongState, error.to_string())
            }
            E::Behind => Self::new(ProblemType::NotReady, error.to_string()),
            E::Part { .. } => Self::new(ProblemType::BadBody, error.to_string()),
            E::Cursor => {
                Self::new(ProblemType::BadRequest, "`cursor` is not one that a list gave as `next`")
            }
            E::Store(error) => Self::store(error),
            E::Update(error) => Self::update(error),
            E::Row(_) | E::Seal(_) | E::Document(_) | E::Enrol(_) => Self::internal(&error),
        }
    }
}
