//! The server's half of an OMA DM session, as plain data.
