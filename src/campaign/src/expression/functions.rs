//! The functions that expressions call without naming them: a field as a number or a boolean, and compiled patterns.

use super::ExpressionError;
use cel::common::functions::Function;
use cel::common::types::{CelBool, CelDouble, CelInt, CelString, STRING_TYPE};
use cel::common::value::CowVal;
use cel::{Context, Env, ExecutionError};
use std::sync::Arc;

/// `@` begins no name that a document could write.
pub(super) const NUMBER: &str = "@number";
pub(super) const TRUTH: &str = "@truth";

/// The most memory that one compiled pattern may take.
const PATTERN_OCTETS: usize = 256 * 1024;

/// The name of the function that matches the pattern with this index.
pub(super) fn pattern(index: usize) -> String {
    format!("@pattern{index}")
}

pub(super) fn environment() -> Env {
    let mut environment = Env::stdlib();
    let functions: [(&str, Function); 2] = [(NUMBER, number), (TRUTH, truth)];
    for (name, function) in functions {
        environment
            .add_overload(name, name, vec![STRING_TYPE], function)
            .expect("names with @ are free");
    }
    environment
}

/// Makes a function of each pattern, so that it is compiled once and not for every device.
pub(super) fn add_patterns(
    root: &mut Context<'static, 'static>,
    patterns: &[String],
) -> Result<(), ExpressionError> {
    for (index, text) in patterns.iter().enumerate() {
        let wrong = |what: String| ExpressionError::Pattern {
            pattern: crate::document::printable(text),
            what,
        };
        let regex = regex::RegexBuilder::new(text)
            .size_limit(PATTERN_OCTETS)
            .build()
            .map_err(|error| wrong(brief(&error)))?;
        let function = move |text: Arc<String>| regex.is_match(&text);
        root.add_function(&pattern(index), function).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(())
}

fn brief(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
        other => other.to_string().lines().last().unwrap_or_default().trim().to_owned(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is the library's")]
fn number<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = text(&arguments)?.trim();
    if let Ok(number) = text.parse::<i64>() {
        return Ok(CowVal::owned(CelInt::from(number)));
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(CowVal::owned(CelDouble::from(number))),
        _ => Err(ExecutionError::no_such_key("")),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is the library's")]
fn truth<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = text(&arguments)?.trim();
    let known = [("true", true), ("1", true), ("false", false), ("0", false)];
    match known.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name)) {
        Some((_, truth)) => Ok(CowVal::owned(CelBool::from(truth))),
        None => Err(ExecutionError::no_such_key("")),
    }
}

/// A field that is not of the kind wanted counts as one that is not there.
fn text<'a>(arguments: &'a [CowVal<'_, '_>]) -> Result<&'a str, ExecutionError> {
    let argument =
        arguments.first().and_then(|argument| argument.as_ref().downcast_ref::<CelString<'_>>());
    argument.map(CelString::inner).ok_or_else(|| ExecutionError::no_such_key(""))
}
