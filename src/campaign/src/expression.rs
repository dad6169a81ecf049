//! Conditions on a device: CEL, in this one module.
//!
//! An expression sees the device's fields and nothing else: the texts `device`, `manufacturer`, `model`, `firmware`,
//! `dm_version`, `time_zone`, the maps `attributes` and `setting` (values read earlier, by address) and the list `groups`.
//!
//! | what | how it is read |
//! | --- | --- |
//! | a text that the device did not say | empty |
//! | an attribute or setting that the device does not have | the expression is false, unless `&&`, `\|\|` or `has()` decide without it |
//! | a field beside a number, as in `setting["./A"] < 50000` | as a number; where it is none, the expression is false |
//! | a field beside `true` or `false` | as a boolean, likewise |
//!
//! So no device makes a campaign fail; a device of which nothing is known is not taken in. The work is bounded when an
//! expression is compiled: its length, its depth, its nodes, and that it iterates over nothing but groups, once.

use crate::limits;
use crate::target::Fields;
use cel::common::types::CelBool;
use cel::parser::PrattParser;
use cel::{Context, Env, ExecutionError, IdedExpr, Value};
use std::fmt;
use std::sync::{Arc, LazyLock};
use wire::uri::LocUri;

mod functions;
mod rules;
mod view;

#[cfg(test)]
mod tests;

const DEEPEST: u16 = 32;
const MOST_NODES: usize = 500;

/// A compiled condition.
pub struct Expression {
    text: String,
    tree: IdedExpr,
    /// Functions of this expression alone: one for each of its regular expressions.
    root: Context<'static, 'static>,
    attributes: Vec<String>,
    settings: Vec<LocUri>,
}

/// The standard functions and ours, the same for all expressions.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(functions::environment()));

impl Expression {
    /// Compiles an expression; everything that can be known to be wrong before there is a device is found here.
    pub fn compile(text: &str) -> Result<Self, ExpressionError> {
        if text.len() > limits::EXPRESSION_OCTETS {
            return Err(ExpressionError::TooLong);
        }
        let parser =
            PrattParser::new().max_recursion_depth(DEEPEST).max_expression_node_count(MOST_NODES);
        let mut tree = parser.parse(text).map_err(|errors| syntax(&errors))?;
        let found = rules::prepare(&mut tree)?;
        let mut root = Context::with_env(Arc::clone(&ENVIRONMENT));
        functions::add_patterns(&mut root, &found.patterns)?;
        let expression = Self {
            text: text.to_owned(),
            tree,
            root,
            attributes: found.attributes,
            settings: found.settings,
        };
        expression.try_out()?;
        Ok(expression)
    }

    /// Whether the condition is true of a device.
    pub fn matches(&self, fields: &Fields) -> Result<bool, ExpressionError> {
        let view = view::View(fields);
        let mut device = self.root.new_inner_scope();
        device.set_variable_resolver(&view);
        let result = Value::resolve_val(&self.tree, &device);
        match result {
            Ok(value) => match value.downcast_ref::<CelBool>() {
                Some(truth) => Ok(*truth.inner()),
                None => Err(ExpressionError::NotACondition {
                    found: value.get_type().name().to_owned(),
                }),
            },
            Err(ExecutionError::NoSuchKey(_)) => Ok(false),
            Err(source) => Err(ExpressionError::Evaluation { what: reason(&source) }),
        }
    }

    /// The text it was compiled from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The attributes it names.
    pub fn attributes(&self) -> &[String] {
        &self.attributes
    }

    /// The addresses of which it needs the values read earlier.
    pub fn settings(&self) -> &[LocUri] {
        &self.settings
    }

    /// Evaluates it for a made-up device that has everything named, to find what cannot be evaluated for any.
    fn try_out(&self) -> Result<(), ExpressionError> {
        let settings = self.settings.iter().map(ToString::to_string);
        let fields = Fields::sample(self.attributes.iter().cloned(), settings);
        self.matches(&fields).map(drop)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

/// Why an expression cannot be used, or cannot be evaluated for a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    #[error("longer than {} octets", limits::EXPRESSION_OCTETS)]
    TooLong,
    /// Line and column count from 1 within the expression.
    #[error("line {line}, column {column}: {what}")]
    Syntax { line: u64, column: u64, what: String },
    #[error("`{name}` is not known; there are {}, `attributes`, `groups` and `setting`", crate::problem::listed(&Fields::TEXTS))]
    Variable { name: String },
    #[error("`{name}` is no function here; there are {}", crate::problem::listed(rules::FUNCTIONS))]
    Function { name: String },
    #[error("{0}")]
    Unsupported(&'static str),
    #[error("`{text}` is no address of a node: {source}")]
    Address {
        text: String,
        #[source]
        source: wire::uri::UriError,
    },
    #[error("`{pattern}` is no regular expression that can be used: {what}")]
    Pattern { pattern: String, what: String },
    #[error("is {found}, not true or false")]
    NotACondition { found: String },
    #[error("cannot be evaluated: {what}")]
    Evaluation { what: String },
}

fn syntax(errors: &cel::ParseErrors) -> ExpressionError {
    let first = errors.errors.first();
    let place = |at: Option<isize>| at.and_then(|at| u64::try_from(at).ok()).unwrap_or(1).max(1);
    ExpressionError::Syntax {
        line: place(first.map(|error| error.pos.0)),
        column: place(first.map(|error| error.pos.1)),
        what: first.map_or_else(|| "not an expression".to_owned(), |error| error.msg.clone()),
    }
}

/// What went wrong, without the values of the device: they may be secrets.
fn reason(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchOverload(overload) => {
            format!(
                "`{}` does not take ({})",
                overload.function(),
                overload.argument_types().join(", ")
            )
        }
        ExecutionError::UnexpectedType { got, want } => format!("{want} is needed, not {got}"),
        ExecutionError::UndeclaredReference(name) => format!("`{name}` is not known"),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("{expected} arguments are needed, not {actual}")
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "a division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number beyond 64 bits".to_owned(),
        ExecutionError::ValuesNotComparable(..) => "values that cannot be compared".to_owned(),
        _ => "a value that does not fit".to_owned(),
    }
}
