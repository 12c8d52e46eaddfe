//! The five steps of the standard for making 匿名加工情報, each answered with what was done.
//!
//! 個人情報の保護に関する法律 §116 with 個人情報保護委員会規則 §62 for public bodies (行政機関等匿名加工情報), §43 with 規則 §34
//! for businesses: the same five steps. The tool writes beside each what it did and saw; what was done and why is
//! for a person to say, and nothing is published while a step is unanswered.

use serde::{Deserialize, Serialize};

/// Which standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standard {
    /// Public bodies: 規則 §62.
    #[default]
    Rule62,
    /// Businesses: 規則 §34.
    Rule34,
}

impl Standard {
    /// Law and article.
    pub fn ja(self) -> &'static str {
        match self {
            Standard::Rule62 => {
                "個人情報保護法第116条、個人情報保護委員会規則第62条（行政機関等匿名加工情報）"
            }
            Standard::Rule34 => "個人情報保護法第43条、個人情報保護委員会規則第34条（匿名加工情報）",
        }
    }
}

/// A step, in the order of the items of the article.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// 第1号.
    Identifying,
    /// 第2号.
    Codes,
    /// 第3号.
    Linking,
    /// 第4号.
    Peculiar,
    /// 第5号.
    Whole,
}

impl Step {
    /// All five.
    pub const ALL: [Step; 5] = [Step::Identifying, Step::Codes, Step::Linking, Step::Peculiar, Step::Whole];

    /// The item of the article and what it asks, in plain Japanese.
    pub fn ja(self) -> &'static str {
        match self {
            Step::Identifying => {
                "第1号　特定の個人が分かる記述（氏名、住所、生年月日など）を消したか、元に戻せる規則のない方法で置き換えた"
            }
            Step::Codes => {
                "第2号　個人識別符号（旅券番号、指紋のデータなど）をすべて消したか、同じく置き換えた"
            }
            Step::Linking => {
                "第3号　元の個人情報や別の表とつなぐ符号（管理番号など）を消したか、同じく置き換えた"
            }
            Step::Peculiar => "第4号　特異な記述（きわめて珍しい年齢、病名など）を消したか、同じく置き換えた",
            Step::Whole => {
                "第5号　ファイル全体の性質（ほかの人との差など）を考え、必要なそのほかの措置をした"
            }
        }
    }
}

/// A person's answers: what was done in each step.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Answers {
    /// Which standard.
    pub standard: Standard,
    /// Step 1.
    pub identifying: String,
    /// Step 2.
    pub codes: String,
    /// Step 3.
    pub linking: String,
    /// Step 4.
    pub peculiar: String,
    /// Step 5.
    pub whole: String,
}

impl Answers {
    fn of(&self, step: Step) -> &str {
        match step {
            Step::Identifying => &self.identifying,
            Step::Codes => &self.codes,
            Step::Linking => &self.linking,
            Step::Peculiar => &self.peculiar,
            Step::Whole => &self.whole,
        }
    }
}

/// A step with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Which.
    pub step: Step,
    /// What it asks.
    pub asks: &'static str,
    /// What the tool did and saw.
    pub seen: Vec<String>,
    /// What a person says was done; empty while unanswered.
    pub done: String,
}

/// All steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checklist {
    /// Law and article.
    pub standard: &'static str,
    /// In the order of the article.
    pub items: Vec<Item>,
}

impl Checklist {
    /// From a person's answers and what the tool has to say to a step.
    pub fn new(answers: &Answers, seen: impl Fn(Step) -> Vec<String>) -> Self {
        let item = |step: Step| Item {
            step,
            asks: step.ja(),
            seen: seen(step),
            done: answers.of(step).trim().to_owned(),
        };
        Checklist { standard: answers.standard.ja(), items: Step::ALL.map(item).to_vec() }
    }

    /// Steps without an answer.
    pub fn open(&self) -> Vec<Step> {
        self.items.iter().filter(|i| i.done.is_empty()).map(|i| i.step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_must_be_answered() {
        let mut answers = Answers {
            identifying: "氏名を削除".into(),
            codes: "含まれていない".into(),
            linking: "宛名番号を削除".into(),
            peculiar: "90歳以上をまとめた".into(),
            ..Answers::default()
        };
        answers.whole = " ".into();
        let seen = |step| if step == Step::Whole { vec!["k = 5".to_owned()] } else { Vec::new() };
        let list = Checklist::new(&answers, seen);
        assert_eq!(list.open(), [Step::Whole], "what the tool saw is no answer");
        answers.whole = "並び順を変えた".into();
        assert_eq!(Checklist::new(&answers, seen).open(), []);
        assert!(list.standard.contains("第62条"));
    }
}
