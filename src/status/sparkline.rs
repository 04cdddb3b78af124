//! An hour of values as a small inline SVG, which page.css scales to its width.

use std::fmt::{self, Write};

use super::answers::Point;
use super::text::Number;

/// The number of columns: each combines several points, so that a page of many rules stays small.
const WIDTH: usize = 24;
const HEIGHT: f32 = 20.0;

/// Draws values from the minimum at the bottom to the maximum at the top, and errors as marks below.
pub(super) struct Sparkline<'a>(pub(super) &'a [Point]);

impl fmt::Display for Sparkline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = columns(self.0);
        let values = || columns.iter().filter_map(|column| column.value);
        let (least, greatest) = values().fold((f32::MAX, f32::MIN), |(a, b), value| (a.min(value), b.max(value)));
        let height = |value: f32| match greatest - least {
            range if range > 0.0 && range.is_finite() => (HEIGHT - (value - least) / range * HEIGHT).round() as i32,
            _ => (HEIGHT / 2.0) as i32,
        };
        let (mut line, mut errors) = (String::new(), String::new());
        let mut before = None;
        let mut was_error = false;
        // SVG allows repeated steps without the letter, and a minus without a space before it.
        for (x, column) in columns.iter().enumerate() {
            match (was_error, column.is_error) {
                (true, true) => errors.push_str(" 1"),
                (false, true) => write!(errors, "M{x} 23h1")?,
                (_, false) => {}
            }
            was_error = column.is_error;
            let y = column.value.map(height);
            let is_alone = columns.get(x + 1).is_none_or(|next| next.value.is_none());
            match (before, y) {
                (Some(before), Some(y)) => {
                    let (step, is_first) = (y - before, line.ends_with('l'));
                    write!(line, "{}1{}{step}", if is_first { "" } else { " " }, if step < 0 { "" } else { " " })?;
                }
                (None, Some(y)) if is_alone => write!(line, "M{x} {y}h1")?,
                (None, Some(y)) => write!(line, "M{x} {y}l")?,
                (_, None) => {}
            }
            before = y;
        }
        let label = Range(values().next().map(|_| (least, greatest)), errors.len());
        write!(f, "<svg role=img aria-label=\"{label}\">")?;
        if !line.is_empty() {
            write!(f, "<path d=\"{line}\"/>")?;
        }
        if !errors.is_empty() {
            write!(f, "<path class=e d=\"{errors}\"/>")?;
        }
        f.write_str("</svg>")
    }
}

fn number(value: f32) -> Number {
    Number(value.into())
}

/// The text alternative of the drawing.
struct Range(Option<(f32, f32)>, usize);

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((least, greatest)) if least == greatest => write!(f, "last hour: {}", number(least))?,
            Some((least, greatest)) => write!(f, "last hour: {} to {}", number(least), number(greatest))?,
            None => f.write_str("last hour: no values")?,
        }
        if self.1 > 0 { f.write_str(", with errors") } else { Ok(()) }
    }
}

#[derive(Clone, Copy, Default)]
struct Column {
    value: Option<f32>,
    is_error: bool,
}

/// The newest value of each column, and whether an error was served.
fn columns(points: &[Point]) -> [Column; WIDTH] {
    let mut columns = [Column::default(); WIDTH];
    for (at, point) in points.iter().enumerate() {
        let Some(column) = columns.get_mut(at * WIDTH / points.len()) else { continue };
        match point {
            Point::None => {}
            Point::Value(value) => column.value = Some(*value),
            Point::Error => column.is_error = true,
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_values_gaps_and_errors() {
        let points = |values: &[(usize, Point)]| {
            let mut points = vec![Point::None; 240];
            values.iter().for_each(|(at, point)| points[*at] = *point);
            points
        };
        for (values, expected) in [
            (points(&[]), ["last hour: no values", "></svg>"]),
            (points(&[(0, Point::Value(7.0))]), ["last hour: 7\"", "<path d=\"M0 10h1\"/>"]),
            (
                points(&[(0, Point::Value(0.0)), (10, Point::Value(10.0)), (236, Point::Value(5.0))]),
                ["0 to 10\"", "M0 20l1-20M23 10h1"],
            ),
            (
                points(&[
                    (0, Point::Value(0.0)),
                    (10, Point::Value(9.0)),
                    (20, Point::Value(9.0)),
                    (30, Point::Value(0.0)),
                ]),
                ["0 to 9\"", "<path d=\"M0 20l1-20 1 0 1 20\"/>"],
            ),
            (
                points(&[(0, Point::Error), (10, Point::Error), (239, Point::Error)]),
                ["no values, with errors", "<path class=e d=\"M0 23h1 1M23 23h1\"/>"],
            ),
        ] {
            let drawn = Sparkline(&values).to_string();
            assert!(expected.iter().all(|part| drawn.contains(part)), "{drawn}");
        }
    }

    #[test]
    fn an_hour_of_values_is_small() {
        let points: Vec<Point> = (0..240_u8).map(|at| Point::Value(f32::from(at.wrapping_mul(37)))).collect();
        let drawn = Sparkline(&points).to_string();
        assert!(drawn.len() < 200, "{}: {drawn}", drawn.len());
    }
}
