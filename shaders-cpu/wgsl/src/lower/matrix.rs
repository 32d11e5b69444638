//! Matrices: products, transposes, determinants, inverses. Columns follow one another.

use iridule_vm::Opcode;
use naga::VectorSize;

use super::place::words;
use super::{Lowering, Words};
use crate::shape::Shape;
use crate::ssa::Id;

impl Lowering<'_> {
    /// The sum of products of two runs of scalars, from the first to the last.
    pub(super) fn dot(&mut self, a: &[Id], b: &[Id]) -> Id {
        let mut sum = self.b.op(Opcode::Mul, &[a[0], b[0]]);
        for (a, b) in a.iter().zip(b).skip(1) {
            let product = self.b.op(Opcode::Mul, &[*a, *b]);
            sum = self.b.op(Opcode::Add, &[sum, product]);
        }
        sum
    }

    /// A product in which a matrix meets a matrix or a vector; `None` for one by component.
    pub(super) fn matrix_product(
        &mut self,
        left: Shape,
        right: Shape,
        a: &Words,
        b: &Words,
    ) -> Option<Words> {
        let row =
            |m: &Words, rows: usize, r: usize| m.iter().skip(r).step_by(rows).copied().collect::<Vec<Id>>();
        let scalar = left.scalar()?;
        let product = match (left, right) {
            (Shape::Matrix(_, rows, _), Shape::Vector(..)) => {
                let rows = rows as usize;
                words(rows, |r| self.dot(&row(a, rows, r), b))
            }
            (Shape::Vector(..), Shape::Matrix(columns, rows, _)) => {
                let rows = rows as usize;
                words(columns as usize, |c| self.dot(a, &b[c * rows..(c + 1) * rows]))
            }
            (Shape::Matrix(_, rows, _), Shape::Matrix(columns, inner, _)) => {
                let (rows, inner) = (rows as usize, inner as usize);
                words(rows * columns as usize, |n| {
                    let column = n / rows;
                    self.dot(&row(a, rows, n % rows), &b[column * inner..(column + 1) * inner])
                })
            }
            _ => return None,
        };
        Some(words(product.len(), |n| self.rounded(scalar, product[n])))
    }

    pub(super) fn transpose(columns: VectorSize, rows: VectorSize, m: &Words) -> Words {
        let (columns, rows) = (columns as usize, rows as usize);
        words(m.len(), |n| m[n % columns * rows + n / columns])
    }

    /// The determinant of a square matrix, by expansion along its first row.
    pub(super) fn determinant(&mut self, size: usize, m: &[Id]) -> Id {
        if size == 1 {
            return m[0];
        }
        let mut sum: Option<Id> = None;
        for column in 0..size {
            let minor = minor(size, m, column, 0);
            let cofactor = self.determinant(size - 1, &minor);
            let term = self.b.op(Opcode::Mul, &[m[column * size], cofactor]);
            sum = Some(match sum {
                None => term,
                Some(sum) => self.b.op(if column % 2 == 1 { Opcode::Sub } else { Opcode::Add }, &[sum, term]),
            });
        }
        sum.unwrap_or(m[0])
    }

    /// The inverse of a square matrix, as its adjugate over its determinant.
    pub(super) fn inverse(&mut self, size: usize, m: &[Id]) -> Words {
        let determinant = self.determinant(size, m);
        words(m.len(), |n| {
            let (column, row) = (n / size, n % size);
            let minor = minor(size, m, row, column);
            let mut cofactor = self.determinant(size - 1, &minor);
            if (row + column) % 2 == 1 {
                cofactor = self.b.op(Opcode::Neg, &[cofactor]);
            }
            self.b.op(Opcode::Div, &[cofactor, determinant])
        })
    }
}

/// A square matrix without a column and a row.
fn minor(size: usize, m: &[Id], column: usize, row: usize) -> Vec<Id> {
    let keep = |n: &usize| n / size != column && n % size != row;
    (0..m.len()).filter(keep).map(|n| m[n]).collect()
}
