//! Old and variant characters and the ones in use today.
//!
//! Old forms are those of the 常用漢字表 (平成22年内閣告示第2号), which gives them in brackets beside the form in
//! use; variants are spellings met in names and addresses. Two characters stand together only when a reader
//! takes them for the same word: 岳 and 嶽, but not 坂 and 阪 or 畑 and 畠, which tell places apart.

use std::collections::HashMap;
use std::sync::OnceLock;

/// Pairs separated by spaces: the old form or variant, then the form it is folded to.
const PAIRS: &str = "\
亞亜 惡悪 壓圧 圍囲 醫医 爲為 壹壱 隱隠 榮栄 營営 衞衛 驛駅 圓円 鹽塩 緣縁 艷艶 應応 歐欧 毆殴 櫻桜 奧奥 橫横 溫温 穩穏 假仮 價価 畫画 會会 \
懷懐 壞壊 繪絵 擴拡 殼殻 覺覚 學学 斈学 嶽岳 樂楽 渴渇 罐缶 卷巻 陷陥 勸勧 寬寛 關関 歡歓 舘館 觀観 氣気 龜亀 歸帰 僞偽 戲戯 犧犠 擊撃 舊旧 \
據拠 擧挙 虛虚 峽峡 挾挟 狹狭 鄕郷 鄉郷 曉暁 區区 驅駆 駈駆 勳勲 薰薫 徑径 莖茎 惠恵 揭掲 溪渓 谿渓 經経 螢蛍 輕軽 繼継 鷄鶏 雞鶏 藝芸 缺欠 \
儉倹 劍剣 劔剣 劒剣 剱剣 釼剣 圈圏 檢検 權権 獻献 硏研 縣県 險険 顯顕 驗験 嚴厳 效効 廣広 恆恒 黃黄 鑛鉱 礦鉱 號号 國国 圀国 黑黒 碎砕 濟済 \
劑剤 雜雑 參参 棧桟 蠶蚕 慘惨 贊賛 讚讃 殘残 絲糸 齒歯 兒児 辭辞 濕湿 實実 寫写 釋釈 壽寿 收収 從従 澁渋 澀渋 獸獣 縱縦 肅粛 處処 敍叙 敘叙 \
緖緒 將将 奬奨 稱称 燒焼 涉渉 證証 乘乗 剩剰 壤壌 孃嬢 條条 淨浄 狀状 疊畳 讓譲 釀醸 囑嘱 觸触 寢寝 愼慎 眞真 盡尽 圖図 粹粋 醉酔 隨随 髓髄 \
數数 樞枢 瀨瀬 聲声 靜静 攝摂 竊窃 專専 淺浅 戰戦 踐践 錢銭 潛潜 濳潜 纖繊 禪禅 雙双 壯壮 搜捜 插挿 巢巣 曾曽 爭争 瘦痩 窗窓 總総 聰聡 莊荘 \
裝装 騷騒 增増 藏蔵 臟臓 卽即 屬属 續続 墮堕 體体 對対 帶帯 滯滞 臺台 瀧滝 擇択 澤沢 單単 擔担 膽胆 團団 彈弾 斷断 癡痴 遲遅 晝昼 蟲虫 鑄鋳 \
廳庁 廰庁 徵徴 聽聴 鎭鎮 遞逓 鐵鉄 鐡鉄 銕鉄 轉転 點点 傳伝 黨党 盜盗 燈灯 當当 鬪闘 鬭闘 德徳 獨独 讀読 屆届 繩縄 貳弐 惱悩 腦脳 霸覇 廢廃 \
拜拝 賣売 麥麦 發発 髮髪 拔抜 蠻蛮 祕秘 濱浜 濵浜 甁瓶 拂払 佛仏 倂併 竝並 餠餅 變変 邊辺 邉辺 辨弁 瓣弁 辯弁 步歩 穗穂 寶宝 寳宝 襃褒 豐豊 \
沒没 飜翻 每毎 萬万 滿満 麵麺 默黙 彌弥 譯訳 藥薬 與与 餘余 豫予 譽誉 搖揺 樣様 謠謡 遙遥 來来 賴頼 亂乱 覽覧 龍竜 兩両 獵猟 綠緑 淚涙 壘塁 \
勵励 禮礼 隸隷 靈霊 齡齢 曆暦 歷歴 戀恋 鍊錬 爐炉 勞労 樓楼 郞郎 祿禄 錄録 灣湾 齋斎 齊斎 斉斎 嶋島 嶌島 﨑崎 嵜崎 髙高 冨富 檜桧 籠篭 藪薮 \
籔薮 鷗鴎 鶯鴬 槇槙 堯尭 凜凛 亙亘 峯峰 杦杉 桒桑 栁柳 楳梅 舩船 萠萌 埜野 竒奇 淵渕 渊渕 蠣蛎 裡裏 舖舗 鋪舗 鄰隣 鍜鍛 靱靭 靏鶴 靍鶴 頸頚 \
頰頬 鴈雁 鳫雁 麴麹 鼡鼠 兔兎 圡土 凉涼 减減 决決 况況 冲沖 凖準 廐厩 廏厩 吞呑 塲場 壺壷 壻婿 姬姫 屛屏 巖巌 幷并 戶戸 户戸 敎教 旣既 晉晋 \
柹柿 枡桝 淸清 爼俎 豬猪 瑤瑶 畊耕 畧略 疎疏 盃杯 礪砺 禰祢 禱祷 稻稲 穐秋 竈竃 簑蓑 羣群 翆翠 臯皐 莓苺 蔣蒋 薗園 蘆芦 蘓蘇 乕虎 蠟蝋 蟬蝉 \
軀躯 逹達 邨村 醬醤 鈎鉤 閒間 靑青 飮飲 驒騨 俱倶 敕勅 緜綿 舍舎 姊姉 內内 產産 銳鋭 說説 稅税 脫脱 悅悦 閱閲 戾戻 吳呉 娛娯 尙尚 强強 塡填 \
顚顛 攜携 欝鬱 秃禿 嚙噛 囓噛 搔掻 攪撹 瀆涜 簞箪 繫繋 繡繍 萊莱 蠅蝿 輭軟 鹼鹸 麪麺 桺柳 栢柏 鎻鎖 咒呪";

/// The form in use today of an old form or variant; every other character stays as it is.
pub fn modern(c: char) -> char {
    *table().get(&c).unwrap_or(&c)
}

/// All pairs of an old form or variant and the form in use.
pub fn pairs() -> impl Iterator<Item = (char, char)> {
    table().iter().map(|(old, new)| (*old, *new))
}

fn table() -> &'static HashMap<char, char> {
    static TABLE: OnceLock<HashMap<char, char>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let pair = |text: &str| {
            let mut chars = text.chars();
            chars.next().zip(chars.next()).filter(|(old, new)| old != new)
        };
        PAIRS.split_ascii_whitespace().filter_map(pair).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_well_formed() {
        for text in PAIRS.split_ascii_whitespace() {
            let chars: Vec<char> = text.chars().collect();
            assert_eq!(chars.len(), 2, "{text}");
            assert_ne!(chars[0], chars[1], "{text}");
        }
        assert_eq!(PAIRS.split_ascii_whitespace().count(), table().len(), "a pair stands twice");
        assert!(table().len() >= 300, "{}", table().len());
    }

    #[test]
    fn one_step_is_enough() {
        for (old, new) in pairs() {
            assert_eq!(modern(new), new, "{old}");
        }
    }

    #[test]
    fn names_people_write() {
        let all = |s: &str| s.chars().map(modern).collect::<String>();
        assert_eq!(all("澤濱嶋國學廣邊邉齋髙﨑"), "沢浜島国学広辺辺斎高崎");
        assert_eq!(all("白嶽町舘"), "白岳町館");
        assert_eq!(all("坂阪畑畠"), "坂阪畑畠");
    }
}
