//! Operator commands over the admin API, and offline tools over the wire formats.
