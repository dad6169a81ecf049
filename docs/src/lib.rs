//! How Reveille works, with links that the compiler checks.
