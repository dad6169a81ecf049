//! A device's fields as CEL sees them: looked up where they lie, nothing is copied but the list of groups.

use crate::target::Fields;
use cel::ExecutionError;
use cel::common::traits::{Container, Indexer};
use cel::common::types::{CelList, CelString, MAP_TYPE, Type};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use std::collections::BTreeMap;

pub(super) struct View<'a>(pub &'a Fields);

impl VariableResolver for View<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let fields = self.0;
        Some(match variable {
            "attributes" => CowVal::owned(Texts(&fields.attributes)),
            "setting" => CowVal::owned(Texts(&fields.settings)),
            "groups" => {
                let groups = fields.groups.iter().map(|group| -> Box<dyn Val + 'b> {
                    Box::new(CelString::from(group.as_str()))
                });
                CowVal::owned(CelList::from(groups.collect::<Vec<_>>()))
            }
            text => CowVal::owned(CelString::from(fields.text(text)?)),
        })
    }
}

/// A map of texts.
#[derive(Debug, Clone, Copy)]
struct Texts<'a>(&'a BTreeMap<String, String>);

impl<'a> Texts<'a> {
    fn find(self, key: &dyn Val) -> Option<&'a str> {
        let key = key.downcast_ref::<CelString<'_>>()?;
        self.0.get(key.inner()).map(String::as_str)
    }
}

impl Val for Texts<'_> {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(*self)
    }
}

impl Indexer for Texts<'_> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        // The name stays out of the error: it is found by its kind alone.
        let text = self.find(key).ok_or_else(|| ExecutionError::no_such_key(""))?;
        Ok(CowVal::owned(CelString::from(text)))
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let text = self.find(key).ok_or_else(|| ExecutionError::no_such_key(""))?;
        Ok(Box::new(CelString::from(text)))
    }
}

impl Container for Texts<'_> {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.find(key).is_some())
    }
}
