pub struct Table { rows: Vec<Vec<String>> }
impl Table {
    pub fn new(h: &[&str]) -> Self { Self { rows: vec![h.iter().map(|s| s.to_string()).collect()] } }
    pub fn row(&mut self, cells: Vec<String>) { self.rows.push(cells) }
}
impl std::fmt::Display for Table { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { for r in &self.rows { writeln!(f, "{}", r.join("  "))?; } Ok(()) } }
