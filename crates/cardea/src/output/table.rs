//! Columns: a head, a line of dashes, rows; four blanks between columns, none at the end of a line. Pure.

/// What stands for nothing, so that a column never looks like the next one.
const EMPTY: &str = "n/a";

/// Rows with a line of dashes below the first.
pub fn table(rows: &[Vec<String>]) -> String {
    let Some(head) = rows.first() else { return String::new() };
    let dashes = head.iter().map(|name| "-".repeat(name.chars().count())).collect();
    let mut all = vec![head.clone(), dashes];
    all.extend(rows.iter().skip(1).cloned());
    columns(&all)
}

/// Rows without a head.
pub fn columns(rows: &[Vec<String>]) -> String {
    let cell = |text: &String| match text.trim() {
        "" => EMPTY.to_owned(),
        text => text.to_owned(),
    };
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> =
        (0..rows.iter().map(Vec::len).max().unwrap_or_default()).map(|c| width(c).unwrap_or_default()).collect();
    let lines = rows.iter().map(|row| {
        let mut out = String::new();
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            out.push_str(cell);
            if index + 1 < row.len() {
                out.push_str(&" ".repeat(width - cell.chars().count() + 4));
            }
        }
        out
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A title between equal signs, about `width` wide: `=== Title ===`.
pub fn banner(title: &str, width: usize) -> String {
    let signs = match width.saturating_sub(title.len() + 2) {
        0 => 4,
        signs => signs + signs % 2,
    };
    let side = "=".repeat(signs / 2);
    format!("{side} {title} {side}")
}

/// The width of a two-column table with these keys, as banners above it are made.
pub fn width_of<'a>(keys: impl Iterator<Item = &'a str>) -> usize {
    keys.map(str::len).max().unwrap_or_default() + 4 + "value".len()
}
