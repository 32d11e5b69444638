//! How a strip's lanes lie on the picture: a tile, row by row from the top left. Tiles are about square, because pixels
//! that are near to each other leave loops at about the same turn, and both sides are even, so that a quad never lies in two.

/// The sides of a tile, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    pub columns: u32,
    pub rows: u32,
}

impl Tile {
    /// The tile of a strip, whose lanes are a power of two, at least 4.
    pub(crate) const fn of(lanes: usize) -> Self {
        let columns = 1 << lanes.ilog2().div_ceil(2);
        Self { columns, rows: 1 << (lanes.ilog2() / 2) }
    }
}

#[cfg(test)]
mod tests {
    use super::Tile;

    #[test]
    fn a_tile_has_a_pixel_for_each_lane() {
        let sides = |lanes| (Tile::of(lanes).columns, Tile::of(lanes).rows);
        assert_eq!([64, 128, 256, 512].map(sides), [(8, 8), (16, 8), (16, 16), (32, 16)]);
    }
}
