//! Types of the admin API and of the events.
