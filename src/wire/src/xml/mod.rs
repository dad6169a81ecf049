//! XML.
use crate::{
    encoding::{Limits, ReadError, WriteError},
    message::{Command, Element, Message},
};

pub(crate) fn read(_octets: &[u8], _limits: &Limits) -> Result<Message, ReadError> {
    Err(ReadError::Root)
}
pub(crate) fn write(_message: &Message) -> Result<Vec<u8>, WriteError> {
    Err(WriteError::TooDeep(0))
}
pub(crate) fn command_octets(_command: &Command) -> Result<usize, WriteError> {
    Err(WriteError::TooDeep(0))
}
#[derive(PartialEq)]
pub(crate) struct Infoset;
impl Infoset {
    pub(crate) fn of(_element: &Element) -> Self {
        Self
    }
}
pub(crate) fn infoset(_text: &str) -> Result<Infoset, ReadError> {
    Err(ReadError::Root)
}
