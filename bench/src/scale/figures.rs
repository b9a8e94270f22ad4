//! The figures of a run at scale, each beside its aim. No measuring happens here, and no figure is rounded in our favor.

/// What a figure must keep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aim {
    /// A figure for the reader only.
    None,
    Below(f64),
    AtMost(f64),
}

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    pub what: String,
    pub value: f64,
    pub unit: &'static str,
    pub aim: Aim,
    /// Under which circumstances.
    pub note: String,
    /// The run itself says that the figure proves nothing.
    pub doubtful: bool,
}

impl Figure {
    /// Whether the aim is missed.
    pub fn is_missed(&self) -> bool {
        match self.aim {
            Aim::None => false,
            Aim::Below(bound) => self.value >= bound,
            Aim::AtMost(bound) => self.value > bound,
        }
    }
}

/// All figures of a run, in their order.
#[derive(Debug, Default)]
pub struct Figures {
    /// How it was measured.
    pub settings: Vec<String>,
    pub figures: Vec<Figure>,
    /// Why the figures must not be quoted as they stand.
    pub warnings: Vec<String>,
}

impl Figures {
    pub fn add(&mut self, what: impl Into<String>, value: f64, unit: &'static str, aim: Aim, note: impl Into<String>) {
        self.figures.push(Figure { what: what.into(), value, unit, aim, note: note.into(), doubtful: false });
    }

    /// The figure added last proves nothing.
    pub fn doubt(&mut self) {
        if let Some(last) = self.figures.last_mut() {
            last.doubtful = true;
        }
    }

    /// Everything as lines of text.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for setting in &self.settings {
            out += &format!("{setting}\n");
        }
        out += &format!("\n{:<8} {:<58} {:>12} {:<6} {:<10} {}\n", "verdict", "figure", "value", "", "aim", "");
        for figure in &self.figures {
            let verdict = match figure.aim {
                Aim::None => "",
                _ if figure.doubtful => "doubtful",
                _ if figure.is_missed() => "MISSED",
                _ => "met",
            };
            let aim = match figure.aim {
                Aim::None => "-".to_owned(),
                Aim::Below(bound) => format!("< {bound}"),
                Aim::AtMost(bound) => format!("<= {bound}"),
            };
            let value = plain(figure.value);
            let line =
                format!("{verdict:<8} {:<58} {value:>12} {:<6} {aim:<10} {}", figure.what, figure.unit, figure.note);
            out += line.trim_end();
            out.push('\n');
        }
        for warning in &self.warnings {
            out += &format!("warning: {warning}\n");
        }
        out
    }
}

/// Whole numbers as such, others with two digits.
fn plain(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aims_are_kept_or_missed_to_the_digit() {
        let cases = [
            (Aim::None, 1e9, false, ""),
            (Aim::Below(30.0), 29.99, false, "met"),
            (Aim::Below(30.0), 30.0, true, "MISSED"),
            (Aim::AtMost(2.0), 2.0, false, "met"),
            (Aim::AtMost(2.0), 2.001, true, "MISSED"),
        ];
        for (aim, value, missed, verdict) in cases {
            let mut figures = Figures::default();
            figures.add("a figure", value, "MiB", aim, "");
            assert_eq!(figures.figures[0].is_missed(), missed, "{aim:?} {value}");
            let text = figures.text();
            let line = text.lines().last().unwrap();
            assert!(line.starts_with(&format!("{verdict:<8} a figure")), "{line}");
            figures.doubt();
            let doubted = figures.text().lines().last().unwrap().starts_with("doubtful");
            assert_eq!(doubted, aim != Aim::None, "{aim:?}");
        }
    }

    #[test]
    fn numbers_are_plain() {
        for (value, text) in [(0.0, "0"), (100_000.0, "100000"), (1.234, "1.23")] {
            assert_eq!(plain(value), text);
        }
    }
}
