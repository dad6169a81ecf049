//! Everything of Reveille that touches the world.
