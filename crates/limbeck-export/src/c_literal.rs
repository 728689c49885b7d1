//! Numbers as C literals. Floating-point numbers are exact to the last bit.

use limbeck_runtime::MISSING_TIME;

/// A number as a C literal of type `double`.
pub(crate) fn double(value: f64) -> String {
    format!("{value:e}")
}

/// A number as a C literal of type `float`.
pub(crate) fn float(value: f32) -> String {
    format!("{value:e}f")
}

/// Seconds since 1970, or a missing time, as a C literal of type `int64_t`.
pub(crate) fn seconds(seconds: i64) -> String {
    match seconds {
        MISSING_TIME => "INT64_MIN".into(),
        seconds => format!("INT64_C({seconds})"),
    }
}

/// Numbers as a C initializer of an array of `double`.
pub(crate) fn doubles(numbers: &[f64]) -> String {
    let each: Vec<String> = numbers.iter().map(|&number| double(number)).collect();
    format!("{{ {} }}", each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_exact_and_have_their_type() {
        assert_eq!(double(0.1), "1e-1");
        assert_eq!(double(0.1).parse(), Ok(0.1));
        assert_eq!(float(0.1), "1e-1f");
        assert_eq!(seconds(-5), "INT64_C(-5)");
        assert_eq!(seconds(MISSING_TIME), "INT64_MIN");
        assert_eq!(doubles(&[1.0, 0.5]), "{ 1e0, 5e-1 }");
    }
}
