//! Commands that need no server: `decode`, `encode` and `campaign check`.
