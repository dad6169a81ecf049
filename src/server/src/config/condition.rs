//! Conditions on devices in the configuration: the same language, and the same view of a device, as in campaigns.

use campaign::{
    expression::{Expression, ExpressionError},
    target::Fields,
};
use serde::{Deserialize, Deserializer};
use std::{fmt, sync::Arc};

/// Which devices something is for.
#[derive(Clone)]
pub struct Condition {
    text: String,
    /// Absent: it cannot be compiled, and [`Condition::check`] says why.
    compiled: Option<Arc<Expression>>,
}

impl Condition {
    /// Whether it is true of a device. One that cannot be evaluated is not.
    pub(crate) fn matches(&self, fields: &Fields) -> bool {
        let Some(expression) = &self.compiled else { return false };
        expression.matches(fields).unwrap_or_else(|error| {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "`when` of a route failed on a device"
            );
            false
        })
    }

    /// What is wrong with it.
    pub(super) fn check(&self) -> Result<(), ConditionError> {
        let expression = Expression::compile(&self.text)?;
        if expression.settings().is_empty() { Ok(()) } else { Err(ConditionError::Settings) }
    }
}

/// Why a condition cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConditionError {
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    #[error("looks at `setting`: what was read from devices decides no route")]
    Settings,
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let compiled = Expression::compile(&text).ok().map(Arc::new);
        Ok(Self { text, compiled })
    }
}

/// The text alone: it is what all processes of a deployment compare.
impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Condition {}
