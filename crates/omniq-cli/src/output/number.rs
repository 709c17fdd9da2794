//! Figures for people.

/// `43060` as `43,060`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1536` as `1.5 KiB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `number` in this many seconds, as a rate per second.
pub fn rate(number: u64, seconds: f64) -> String {
    let per_second = number as f64 / seconds.max(0.001);
    if per_second < 10.0 { format!("{per_second:.1}") } else { count(per_second as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(
            [0, 999, 1000, 43_060, 1_234_567].map(count),
            ["0", "999", "1,000", "43,060", "1,234,567"]
        );
        assert_eq!(
            [0, 1023, 1024, 1536, 1 << 20, (1 << 20) - 1, 5 << 30].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 MiB", "5.0 GiB"]
        );
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
        assert_eq!([rate(10, 4.0), rate(50_000, 10.0)], ["2.5", "5,000"]);
    }
}
