//! Simulated example data of a physical sensor: an NTC thermistor in a bridge.
//!
//! The sensor measures the temperature of moving air. A thermistor of resistance
//!
//! ```text
//! R(T) = R₂₅ · exp(B · (1/T − 1/298.15 K))
//! ```
//!
//! and a series resistor `R_s` form a voltage divider (half of a bridge) at supply `V`. An analog-to-digital converter (ADC) reads the voltage
//! over the thermistor as a share of the supply. The temperature is hard to compute from the reading because of:
//!
//! - self-heating: the current makes the thermistor bead warmer than the air by `ΔT = P / (δ · (1 + 0.8·√v))`, `P = V² R / (R + R_s)²`,
//!   with dissipation `δ = 1.5 mW/K` in still air and air speed `v` in m/s; `R` depends on the bead's temperature, so that both are
//!   solved together;
//! - tolerance: each part has its own `R₂₅` (standard deviation 1 %, measured to 0.1 %) and `B` (standard deviation 0.5 %, not a feature);
//! - the board: `R_s` drifts by 60 ppm/K with the board's temperature;
//! - three measuring ranges, each with its own `R_s`; ADC noise (standard deviation 1.5 codes) and rounding to 12 bits;
//! - an air speed that is missing in 5 % of the rows.

use rand::RngExt;
use rand_pcg::Pcg64;

use crate::rng::{generator, normal};
use crate::table::{Column, Table};

/// Name of the target column in the table of [`thermistor`]: the true air temperature in °C.
pub const THERMISTOR_TARGET: &str = "air_temperature_c";

const ZERO_CELSIUS_K: f64 = 273.15;
const REFERENCE_K: f64 = 298.15;
const R25_OHM: f64 = 10_000.0;
const B_K: f64 = 3_950.0;
const DISSIPATION_W_PER_K: f64 = 1.5e-3;
const BOARD_DRIFT_PER_K: f64 = 60e-6;
const ADC_CODES: f64 = 4_096.0;
const RANGES: [(&str, f64); 3] = [("cold", 33_000.0), ("normal", 10_000.0), ("hot", 2_200.0)];

/// One simulated reading: a row of the table.
struct Reading {
    adc_code: f64,
    supply_v: f64,
    board_c: f64,
    air_speed_m_s: f64,
    r25_ohm: f64,
    range: &'static str,
    air_c: f64,
}

/// Simulates a table of thermistor readings, with the true air temperature as target.
///
/// Features: `adc_code`, `supply_v`, `board_temperature_c`, `air_speed_m_s` (5 % missing), `r25_ohm`, `range`
/// (category). Equal seeds give equal tables; a longer table begins with the rows of a shorter one.
#[must_use]
pub fn thermistor(rows: usize, seed: u64) -> Table {
    let readings: Vec<Reading> = (0..rows)
        .map(|row| reading(&mut generator(seed, "thermistor", row as u64)))
        .collect();
    let number = |name, value: fn(&Reading) -> f64| {
        Column::number(name, readings.iter().map(value).collect())
    };
    let columns = vec![
        number("adc_code", |r| r.adc_code),
        number("supply_v", |r| r.supply_v),
        number("board_temperature_c", |r| r.board_c),
        number("air_speed_m_s", |r| r.air_speed_m_s),
        number("r25_ohm", |r| r.r25_ohm),
        Column::category("range", readings.iter().map(|r| Some(r.range))),
        number(THERMISTOR_TARGET, |r| r.air_c),
    ];
    Table {
        columns,
        rows,
        source: "simulated thermistor".to_owned(),
        ..Table::default()
    }
}

fn reading(rng: &mut Pcg64) -> Reading {
    let air_c = rng.random_range(-40.0..125.0);
    let (range, nominal_ohm) = RANGES[rng.random_range(0..RANGES.len())];
    let supply_v = 5.0 + 0.15 * normal(rng);
    let board_c = 0.4 * air_c + 20.0 + 6.0 * normal(rng);
    let air_speed = rng.random_range(0.0_f64..3.0).powi(2);
    let r25 = R25_OHM * (1.0 + 0.01 * normal(rng));
    let b = B_K * (1.0 + 0.005 * normal(rng));
    let series_ohm = nominal_ohm * (1.0 + BOARD_DRIFT_PER_K * (board_c - 25.0));
    let ratio = bridge_ratio(air_c, r25, b, supply_v, series_ohm, air_speed);
    let code = (ratio * ADC_CODES + 1.5 * normal(rng))
        .round()
        .clamp(0.0, ADC_CODES - 1.0);
    let speed_is_missing = rng.random::<f64>() < 0.05;
    Reading {
        adc_code: code,
        supply_v: rounded(supply_v + 0.002 * normal(rng), 1e3),
        board_c: rounded(board_c + 0.1 * normal(rng), 10.0),
        air_speed_m_s: if speed_is_missing {
            f64::NAN
        } else {
            rounded(air_speed, 100.0)
        },
        r25_ohm: (r25 * (1.0 + 0.001 * normal(rng))).round(),
        range,
        air_c: rounded(air_c, 1e3),
    }
}

/// Voltage over the thermistor as a share of the supply, at the bead temperature where dissipated heat equals electrical power.
fn bridge_ratio(
    air_c: f64,
    r25: f64,
    b: f64,
    supply_v: f64,
    series_ohm: f64,
    air_speed: f64,
) -> f64 {
    let dissipation = DISSIPATION_W_PER_K * (1.0 + 0.8 * air_speed.sqrt());
    let resistance =
        |bead_c: f64| r25 * (b * (1.0 / (bead_c + ZERO_CELSIUS_K) - 1.0 / REFERENCE_K)).exp();
    let excess = |bead_c: f64| {
        let r = resistance(bead_c);
        air_c + supply_v * supply_v * r / ((r + series_ohm).powi(2) * dissipation) - bead_c
    };
    // The power is at most V²/4R_s, which bounds the bead's temperature and gives the upper end for bisection.
    let most = air_c + supply_v * supply_v / (4.0 * series_ohm * dissipation);
    let r = resistance(root(air_c, most, excess));
    r / (r + series_ohm)
}

/// The zero of a decreasing function between `low` and `high`, found by bisection.
fn root(mut low: f64, mut high: f64, falling: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        let end = if falling(middle) > 0.0 {
            &mut low
        } else {
            &mut high
        };
        *end = middle;
    }
    low
}

fn rounded(value: f64, per_unit: f64) -> f64 {
    (value * per_unit).round() / per_unit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Values;

    #[test]
    fn bead_without_heating_follows_the_b_equation() {
        // At 25 °C, R = R₂₅; with R_s = R₂₅, the thermistor has half of the supply voltage.
        let cool = bridge_ratio(25.0, 10_000.0, 3_950.0, 1e-6, 10_000.0, 0.0);
        assert!((cool - 0.5).abs() < 1e-9, "{cool}");
    }

    #[test]
    fn bead_heats_itself_as_calculated_by_hand() {
        // V = 5 V, R = R_s = 10 kΩ: P = 25·10⁴/(2·10⁴)² = 0.625 mW, ΔT ≈ P/δ = 0.417 K in still air. At 25 °C, R
        // falls by B/T² = 4.44 %/K, and the ratio by a quarter of that: −0.00463 to first order.
        let hot = bridge_ratio(25.0, 10_000.0, 3_950.0, 5.0, 10_000.0, 0.0);
        assert!((hot - (0.5 - 0.00463)).abs() < 1e-4, "{hot}");
        // Moving air cools the bead.
        assert!(bridge_ratio(25.0, 10_000.0, 3_950.0, 5.0, 10_000.0, 4.0) > hot);
    }

    #[test]
    fn tables_depend_only_on_the_seed() {
        let text = |rows, seed| format!("{:?}", thermistor(rows, seed).columns);
        assert_eq!(text(50, 1), text(50, 1));
        assert_ne!(text(50, 1), text(50, 2));
    }

    #[test]
    fn readings_lie_in_their_ranges() {
        let table = thermistor(2000, 3);
        let numbers = |name: &str| match &table.column(name).unwrap().values {
            Values::Number(values) => values.clone(),
            _ => panic!("number"),
        };
        assert!(
            numbers("adc_code")
                .iter()
                .all(|code| (0.0..4096.0).contains(code) && code.fract() == 0.0)
        );
        assert!(
            numbers(THERMISTOR_TARGET)
                .iter()
                .all(|t| (-40.0..=125.0).contains(t))
        );
        let missing = numbers("air_speed_m_s")
            .iter()
            .filter(|v| v.is_nan())
            .count();
        assert!((60..140).contains(&missing), "{missing}");
    }
}
