//! A sequential palette, perceptually uniform: lightness rises in equal steps of OKLab from a deep violet over red to a
//! pale yellow. The page reverses it on a light background, so that small values are always close to the background.

/// Number of colours.
pub const LEVELS: usize = 64;

/// OKLab lightness of the first and the last colour.
const LIGHTNESS: [f64; 2] = [0.24, 0.95];
/// Hue of the first and the last colour in degrees; it runs through red.
const HUE: [f64; 2] = [-70.0, 100.0];

/// The colour of a level, 0 (dark) to `LEVELS - 1` (light), as `#rrggbb`.
fn colour(level: usize) -> String {
    let t = level as f64 / (LEVELS - 1) as f64;
    let between = |ends: [f64; 2]| ends[0] + (ends[1] - ends[0]) * t;
    // Most colourful in the middle, where the gamut is widest.
    let chroma = 0.07 + 0.12 * (std::f64::consts::PI * t).sin();
    let [r, g, b] = srgb(between(LIGHTNESS), chroma, between(HUE).to_radians());
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Style sheet of the colour classes `h1` to `h64` of heat maps: dark colours first on a dark background, light ones first on
/// a light one.
pub fn style() -> String {
    let variables = |at: fn(usize) -> usize| {
        (1..=LEVELS).map(|level| format!("--h{level}:{};", colour(at(level - 1)))).collect::<String>()
    };
    let light = variables(|level| LEVELS - 1 - level);
    let dark = variables(|level| level);
    let classes: String =
        (1..=LEVELS).map(|level| format!(".h{level}{{fill:var(--h{level});background:var(--h{level})}}")).collect();
    format!(":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{classes}\n")
}

/// Converts OKLCH to sRGB bytes (Ottosson 2020), with chroma reduced to fit the gamut.
fn srgb(lightness: f64, chroma: f64, hue: f64) -> [u8; 3] {
    let linear = |chroma: f64| {
        let (a, b) = (chroma * hue.cos(), chroma * hue.sin());
        let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
        let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
        let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
        [
            4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
            -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
            -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
        ]
    };
    let is_inside = |chroma: f64| linear(chroma).iter().all(|value| (-1e-4..=1.0 + 1e-4).contains(value));
    let chroma = (0..=100).map(|i| chroma * (1.0 - f64::from(i) / 100.0)).find(|c| is_inside(*c)).unwrap_or(0.0);
    linear(chroma).map(|value| {
        let value = value.clamp(0.0, 1.0);
        let curved = if value <= 0.003_130_8 { 12.92 * value } else { 1.055 * value.powf(1.0 / 2.4) - 0.055 };
        (curved * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_palette_gets_lighter_step_by_step() {
        let luminance = |level| {
            let text = colour(level);
            let part = |at: usize| f64::from(u8::from_str_radix(&text[at..at + 2], 16).unwrap());
            0.2126 * part(1).powf(2.2) + 0.7152 * part(3).powf(2.2) + 0.0722 * part(5).powf(2.2)
        };
        for level in 1..LEVELS {
            assert!(luminance(level) > luminance(level - 1), "level {level}: {}", colour(level));
        }
        assert_eq!(srgb(1.0, 0.0, 0.0), [255, 255, 255]);
        assert_eq!(srgb(0.0, 0.0, 0.0), [0, 0, 0]);
    }
}
