//! The painter's maths.
