#[derive(Debug)]
pub struct EventFile;
impl EventFile {
    pub fn create(_: &std::path::Path) -> anyhow::Result<Self> { Ok(Self) }
    pub fn scalar(&mut self, _: u64, _: &str, _: f64) -> anyhow::Result<()> { Ok(()) }
    pub fn flush(&mut self) -> anyhow::Result<()> { Ok(()) }
}
