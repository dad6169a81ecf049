//! What an expression may consist of, checked and prepared once: names, functions, fields beside numbers, patterns.

use super::{ExpressionError, functions};
use crate::target::Fields;
use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, operators};
use cel::common::types::CelString;
use wire::uri::LocUri;

/// What may be called by name. `has`, `all`, `exists`, `exists_one`, `map` and `filter` are gone once an expression is parsed.
pub(super) const FUNCTIONS: &[&str] = &[
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "double",
    "string",
    "has",
    "exists",
    "all",
    "exists_one",
    "filter",
    "map",
];

/// What an expression needs.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub attributes: Vec<String>,
    pub settings: Vec<LocUri>,
    /// Regular expressions, by the index in the name of their function.
    pub patterns: Vec<String>,
}

/// Checks a tree and rewrites it to what is evaluated.
pub(super) fn prepare(tree: &mut IdedExpr) -> Result<Found, ExpressionError> {
    let mut walk = Walk { found: Found::default(), local: Vec::new(), loops: 0, nodes: 0 };
    walk.expression(tree)?;
    Ok(walk.found)
}

struct Walk {
    found: Found,
    /// Names that a loop brought in.
    local: Vec<String>,
    loops: usize,
    nodes: usize,
}

impl Walk {
    fn expression(&mut self, node: &mut IdedExpr) -> Result<(), ExpressionError> {
        // The parser's own limit does not count what it balances, such as a long row of `||`.
        self.nodes += 1;
        if self.nodes > super::MOST_NODES {
            return Err(ExpressionError::Unsupported("an expression has at most 500 parts"));
        }
        if let Some(map) = map_looked_into(&node.expr) {
            return self.look_up(map, node);
        }
        match &mut node.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => self.expression(&mut select.operand),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => {
                list.elements.iter_mut().try_for_each(|element| self.expression(element))
            }
            Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.expression(&mut entry.key)?;
                    self.expression(&mut entry.value)
                }
                EntryExpr::StructField(field) => self.expression(&mut field.value),
            }),
            Expr::Comprehension(_) => self.comprehension(node),
            Expr::Struct(_) | Expr::Unspecified => {
                Err(ExpressionError::Unsupported("objects cannot be made here"))
            }
        }
    }

    fn name(&self, name: &str) -> Result<(), ExpressionError> {
        if matches!(name, "attributes" | "setting") {
            return Err(ExpressionError::Unsupported(
                "`attributes` and `setting` are looked into, as in attributes.plan or setting[\"./A/B\"]",
            ));
        }
        let known = name == "groups"
            || Fields::TEXTS.contains(&name)
            || self.local.iter().any(|local| local == name);
        if known {
            Ok(())
        } else {
            Err(ExpressionError::Variable { name: crate::document::printable(name) })
        }
    }

    /// `attributes.x`, `attributes["x"]`, `setting["./A"]`, or `has()` of these.
    fn look_up(&mut self, map: &'static str, node: &mut IdedExpr) -> Result<(), ExpressionError> {
        let key = match &mut node.expr {
            Expr::Select(select) => &mut select.field,
            Expr::Call(call) => match call.args.get_mut(1).map(|argument| &mut argument.expr) {
                Some(Expr::Literal(LiteralValue::String(text))) => {
                    let mut key = text.inner().to_owned();
                    self.key(map, &mut key)?;
                    *text = CelString::from(key);
                    return Ok(());
                }
                _ => {
                    return Err(ExpressionError::Unsupported(
                        "`attributes[…]` and `setting[…]` take a text in quotes",
                    ));
                }
            },
            _ => return Ok(()),
        };
        self.key(map, key)
    }

    fn key(&mut self, map: &str, key: &mut String) -> Result<(), ExpressionError> {
        if map == "attributes" {
            if !self.found.attributes.contains(key) {
                self.found.attributes.push(key.clone());
            }
            return Ok(());
        }
        let uri = LocUri::parse(key).map_err(|source| ExpressionError::Address {
            text: crate::document::printable(key),
            source,
        })?;
        *key = uri.to_string();
        if !self.found.settings.contains(&uri) {
            self.found.settings.push(uri);
        }
        Ok(())
    }

    fn call(&mut self, call: &mut CallExpr) -> Result<(), ExpressionError> {
        let operator = call.func_name.starts_with(['_', '@', '!', '-']);
        if !operator && !FUNCTIONS.contains(&call.func_name.as_str()) {
            return Err(ExpressionError::Function {
                name: crate::document::printable(&call.func_name),
            });
        }
        if let Some(target) = &mut call.target {
            self.expression(target)?;
        }
        call.args.iter_mut().try_for_each(|argument| self.expression(argument))?;
        match call.func_name.as_str() {
            "matches" => self.pattern(call),
            operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO
            | operators::NEGATE => {
                call.args.iter_mut().for_each(|argument| read_as(argument, functions::NUMBER));
                Ok(())
            }
            operators::ADD
            | operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS => {
                match_sides(&mut call.args);
                Ok(())
            }
            operators::IN => {
                let numbers = matches!(call.args.get(1).map(|list| &list.expr), Some(Expr::List(list)) if !list.elements.is_empty() && list.elements.iter().all(is_number));
                if let (true, Some(field)) = (numbers, call.args.first_mut()) {
                    read_as(field, functions::NUMBER);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// `text.matches("…")` or `matches(text, "…")` becomes a call of the compiled pattern.
    fn pattern(&mut self, call: &mut CallExpr) -> Result<(), ExpressionError> {
        let pattern = match call.args.pop().map(|argument| argument.expr) {
            Some(Expr::Literal(LiteralValue::String(text))) => text.inner().to_owned(),
            _ => return Err(ExpressionError::Unsupported("`matches` takes its pattern in quotes")),
        };
        if let Some(target) = call.target.take() {
            call.args.insert(0, *target);
        }
        if call.args.len() != 1 {
            return Err(ExpressionError::Unsupported("`matches` takes one text and one pattern"));
        }
        call.func_name = functions::pattern(self.found.patterns.len());
        self.found.patterns.push(pattern);
        Ok(())
    }

    /// Loops run over the groups, or over a list that is written out, and not within each other.
    fn comprehension(&mut self, node: &mut IdedExpr) -> Result<(), ExpressionError> {
        let Expr::Comprehension(comprehension) = &mut node.expr else { return Ok(()) };
        if self.loops > 0 {
            return Err(ExpressionError::Unsupported("a loop within a loop is not taken"));
        }
        let bounded = match &comprehension.iter_range.expr {
            Expr::Ident(name) => name == "groups",
            Expr::List(_) => true,
            _ => false,
        };
        if !bounded {
            return Err(ExpressionError::Unsupported(
                "`exists`, `all`, `map` and `filter` go over `groups` or a list that is written out",
            ));
        }
        self.expression(&mut comprehension.iter_range)?;
        let names = [
            Some(&comprehension.iter_var),
            comprehension.iter_var2.as_ref(),
            Some(&comprehension.accu_var),
        ];
        let outer = self.local.len();
        self.local.extend(names.into_iter().flatten().cloned());
        self.loops += 1;
        for part in [
            &mut comprehension.accu_init,
            &mut comprehension.loop_cond,
            &mut comprehension.loop_step,
            &mut comprehension.result,
        ] {
            self.expression(part)?;
        }
        self.loops -= 1;
        self.local.truncate(outer);
        Ok(())
    }
}

/// The map of a device that this expression looks into.
fn map_looked_into(expr: &Expr) -> Option<&'static str> {
    let operand = match expr {
        Expr::Select(select) => &select.operand.expr,
        Expr::Call(call) if call.func_name == operators::INDEX => &call.args.first()?.expr,
        _ => return None,
    };
    match operand {
        Expr::Ident(name) if name == "attributes" => Some("attributes"),
        Expr::Ident(name) if name == "setting" => Some("setting"),
        _ => None,
    }
}

/// A text of the device, of which only what stands beside it tells how it is meant.
fn is_field(expr: &Expr) -> bool {
    match expr {
        Expr::Ident(name) => Fields::TEXTS.contains(&name.as_str()),
        Expr::Select(select) if select.test => false,
        other => map_looked_into(other).is_some(),
    }
}

fn is_number(node: &IdedExpr) -> bool {
    match &node.expr {
        Expr::Literal(literal) => matches!(
            literal,
            LiteralValue::Int(_) | LiteralValue::UInt(_) | LiteralValue::Double(_)
        ),
        Expr::Call(call) => match call.func_name.as_str() {
            operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO
            | operators::NEGATE => true,
            operators::ADD => call.args.iter().any(is_number),
            name => matches!(name, "int" | "double" | "size" | functions::NUMBER),
        },
        _ => false,
    }
}

fn is_truth(node: &IdedExpr) -> bool {
    matches!(node.expr, Expr::Literal(LiteralValue::Boolean(_)))
}

/// Reads the field on one side as what stands on the other.
fn match_sides(sides: &mut [IdedExpr]) {
    let [left, right] = sides else { return };
    read_beside(left, right);
    read_beside(right, left);
}

fn read_beside(field: &mut IdedExpr, other: &IdedExpr) {
    if is_number(other) {
        read_as(field, functions::NUMBER);
    } else if is_truth(other) {
        read_as(field, functions::TRUTH);
    }
}

fn read_as(node: &mut IdedExpr, function: &str) {
    if is_field(&node.expr) {
        let field = std::mem::take(node);
        let id = field.id;
        let call = CallExpr { func_name: function.to_owned(), target: None, args: vec![field] };
        *node = IdedExpr { id, expr: Expr::Call(call) };
    }
}
