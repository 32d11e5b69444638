//! The CPU painter: a scene becomes pixels, pixels become an encoded picture.
