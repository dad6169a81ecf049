//! Stories: tests of the whole, one file a story.
