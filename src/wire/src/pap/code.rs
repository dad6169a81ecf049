//! The codes of a gateway: what became of a push, and by its first digit whose fault it is.

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)+) => {
        /// What a gateway says of a push, a cancellation or a query. Unknown codes are values.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
            /// A code without a row in the table.
            Other(u16),
        }

        impl Code {
            pub const fn from_code(code: u16) -> Self {
                match code { $($code => Self::$name,)+ other => Self::Other(other) }
            }

            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code,)+ Self::Other(code) => code }
            }

            /// The name of the code, for people.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ Self::Other(_) => "unknown" }
            }

            /// What the code says, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)+
                    Self::Other(_) => match self.class() {
                        Class::Success => "Some kind of success.",
                        Class::RequestError => "Something is wrong with the request.",
                        Class::ServerError => "The gateway failed or cannot do this.",
                        Class::ServiceFailure => "The service failed.",
                        Class::DeviceAborted => "The device aborted the push.",
                        Class::Unknown => "No code of this protocol.",
                    },
                }
            }
        }

        #[cfg(test)]
        const ALL: &[Code] = &[$(Code::$name),+];
    };
}

codes! {
    /// Done; of a result, delivered.
    Ok = 1000,
    /// Taken; what becomes of it follows in a result notification.
    Accepted = 1001,
    /// The gateway does not understand the request.
    BadRequest = 2000,
    /// The gateway understands the request and refuses it.
    Forbidden = 2001,
    /// The gateway does not understand the address.
    AddressError = 2002,
    /// There is no such address.
    AddressNotFound = 2003,
    /// The gateway knows no push with this id.
    PushIdNotFound = 2004,
    /// The device cannot do what the content needs.
    CapabilitiesMismatch = 2005,
    /// The device does not support what was required of it.
    RequiredCapabilitiesNotSupported = 2006,
    /// The id of the push was used before; of a repetition, the gateway has it already.
    DuplicatePushId = 2007,
    /// It is too late to take the push back.
    CancellationNotPossible = 2008,
    /// The gateway failed.
    InternalServerError = 3000,
    /// The gateway does not do this.
    NotImplemented = 3001,
    /// The gateway does not speak this version of the protocol.
    VersionNotSupported = 3002,
    /// The gateway no longer has the message.
    NotPossible = 3003,
    /// The gateway does not match capabilities.
    CapabilityMatchingNotSupported = 3004,
    /// The gateway takes one address a push.
    MultipleAddressesNotSupported = 3005,
    /// The gateway could not transform the content.
    TransformationFailure = 3006,
    /// The delivery method is not possible.
    DeliveryMethodNotPossible = 3007,
    /// The gateway does not know the capabilities of the device.
    CapabilitiesNotAvailable = 3008,
    /// The required network is not available.
    RequiredNetworkNotAvailable = 3009,
    /// The required bearer is not available.
    RequiredBearerNotAvailable = 3010,
    /// The gateway replaces no message.
    ReplacementNotSupported = 3011,
    /// The service failed.
    ServiceFailure = 4000,
    /// The service is not available for now.
    ServiceUnavailable = 4001,
}

/// Whose fault it is, by the first digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// 1xxx
    Success,
    /// 2xxx: the request, its address or the device.
    RequestError,
    /// 3xxx: the gateway fails, or does not do what was asked.
    ServerError,
    /// 4xxx: the service failed, which may pass.
    ServiceFailure,
    /// 5xxx: the device aborted; the other digits are its reason.
    DeviceAborted,
    /// Anything else.
    Unknown,
}

impl Code {
    pub const fn class(self) -> Class {
        match self.code() / 1000 {
            1 => Class::Success,
            2 => Class::RequestError,
            3 => Class::ServerError,
            4 => Class::ServiceFailure,
            5 => Class::DeviceAborted,
            _ => Class::Unknown,
        }
    }

    /// Why the device aborted, in the numbers of WSP; only of 5xxx.
    pub const fn abort_reason(self) -> Option<u16> {
        match self.class() {
            Class::DeviceAborted => Some(self.code() % 1000),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_as_itself_and_has_words() {
        for code in 0..=9999 {
            assert_eq!(Code::from_code(code).code(), code);
            assert!(!Code::from_code(code).meaning().is_empty());
        }
        for code in ALL {
            assert_ne!(code.class(), Class::Unknown, "{code:?}");
            assert!(code.meaning().ends_with('.'), "{code:?}");
        }
    }

    #[test]
    fn the_reason_of_a_device_is_in_the_code() {
        assert_eq!(Code::from_code(5028).abort_reason(), Some(28));
        assert_eq!(Code::from_code(5028).class(), Class::DeviceAborted);
        assert_eq!(Code::ServiceFailure.abort_reason(), None);
    }
}
