//! Alert codes: why a session exists, what the user is asked, what the device reports.

macro_rules! alert_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)+) => {
        /// What an `Alert` is about. Unknown codes are values; the server answers them with 406.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum AlertCode {
            $($(#[doc = $doc])+ $name,)+
            /// A code without a row in the table.
            Other(u32),
        }

        impl AlertCode {
            pub const fn from_code(code: u32) -> Self {
                match code { $($code => Self::$name,)+ other => Self::Other(other) }
            }

            pub const fn code(self) -> u32 {
                match self { $(Self::$name => $code,)+ Self::Other(code) => code }
            }

            /// The name of the code in words, for people.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ Self::Other(_) => "unknown" }
            }

            /// What the code says, in one sentence; empty for a code that has no row.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ Self::Other(_) => "" }
            }
        }
    };
}

alert_codes! {
    /// Show text to the user.
    Display = 1100,
    /// Ask the user for a yes or a no.
    ConfirmOrReject = 1101,
    /// Ask the user for text.
    TextInput = 1102,
    /// Ask the user for one of several choices.
    SingleChoice = 1103,
    /// Ask the user for any of several choices.
    MultipleChoice = 1104,
    /// The device opens a session because of a notification.
    ServerInitiated = 1200,
    /// The device opens a session by itself.
    ClientInitiated = 1201,
    /// Send the next message of the package.
    NextMessage = 1222,
    /// The session is aborted.
    SessionAbort = 1223,
    /// An event on the device.
    ClientEvent = 1224,
    /// The rest of a large object did not come.
    NoEndOfData = 1225,
    /// A report of a management object, typed by its `Meta`.
    GenericAlert = 1226,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_as_itself() {
        for code in 0..5000 {
            assert_eq!(AlertCode::from_code(code).code(), code);
        }
    }
}
