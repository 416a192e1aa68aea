pub struct Curve { pub name: String, pub points: Vec<(f64, f64)> }
pub fn accuracy_curves(_: &std::path::Path, _: &str, _: &[Curve]) -> anyhow::Result<()> { Ok(()) }
