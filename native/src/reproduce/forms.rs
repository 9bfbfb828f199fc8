//! The forms of the perturbation, by name.

use lastbit_core::ops::sgd::Perturbation;

/// All forms.
pub fn forms_of() -> Vec<Perturbation> {
    vec![Perturbation::Divide, Perturbation::Reciprocal, Perturbation::Nextafter]
}

/// Name of a form, as `--perturbation` takes it.
pub fn form_name(form: Perturbation) -> &'static str {
    match form {
        Perturbation::Divide => "divide",
        Perturbation::Reciprocal => "reciprocal",
        Perturbation::Nextafter => "nextafter",
    }
}

/// The form with this name.
pub fn form(text: &str) -> Result<Perturbation, String> {
    forms_of()
        .into_iter()
        .find(|form| form_name(*form) == text.trim())
        .ok_or_else(|| "use divide, reciprocal or nextafter".to_owned())
}
