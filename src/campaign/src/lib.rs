//! Campaigns: what shall be so, for whom, when, how fast, and when to stop.
