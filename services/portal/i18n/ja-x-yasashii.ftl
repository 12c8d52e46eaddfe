portal-home = いしかわポータル

# Home
portal-area-now = 見て《みて》いる 場所《ばしょ》
portal-area-own = あなたの 町《まち》
portal-area-choose = ほかの 場所《ばしょ》を 選ぶ《えらぶ》
portal-area-go = 変える《かえる》
portal-area-note = ログインしなくても 使えます《つかえます》。選んだ《えらんだ》 場所《ばしょ》は、この スマートフォンや パソコンだけが 覚えます《おぼえます》。
portal-area-all = 石川県《いしかわけん》 ぜんぶ
portal-services = 使える《つかえる》 サービス

# Roads in snow
portal-snow-title = { $area }の 雪《ゆき》の 道《みち》
portal-snow-lead = 雪《ゆき》を どける 道《みち》は { $all } あります。**{ $done }の 道《みち》**は 終わりました《おわりました》。
portal-snow-rest = 今《いま》、雪《ゆき》を どける 車《くるま》は 出て《でて》いません。
portal-as-of = の ようす
portal-snow-delay-seconds = 安全《あんぜん》の ため、{ $n }秒《びょう》 前《まえ》の ようすを 見せています《みせています》
portal-snow-delay-minutes = 安全《あんぜん》の ため、{ $n }分《ふん》 前《まえ》の ようすを 見せています《みせています》
portal-snow-go = 道《みち》の ようすを 見る《みる》
portal-segments = の 道《みち》
portal-others = あなたが 代わり《かわり》を する 人《ひと》の 町《まち》の 道《みち》
portal-others-lead = お知らせ《おしらせ》を 見る《みる》ことを 頼んだ《たのんだ》 人《ひと》の 町《まち》です。
portal-state-done = 終わりました《おわりました》
portal-state-doing = しています
portal-state-part = すこし 終わりました《おわりました》
portal-state-todo = まだです
portal-state-unknown = わかりません

# Contact
portal-contact = 質問《しつもん》を する
portal-contact-lead = この ページを 作って《つくって》いる ところです。
portal-contact-who = 聞く《きく》 ところ
portal-contact-unset = まだ 決まって《きまって》いません。練習《れんしゅう》の データの 間《あいだ》は、本当《ほんとう》の 道《みち》や 災害《さいがい》の 質問《しつもん》に 答える《こたえる》ことが できません。
portal-contact-tell = 教えて《おしえて》ほしいこと
portal-contact-tell-1 = 何《なに》を して、何《なに》が 起きた《おきた》か 書いて《かいて》ください。エラーの 画面《がめん》に 番号《ばんごう》が あったら、その 番号《ばんごう》も 書いて《かいて》ください。
portal-contact-tell-2 = ほかの 人《ひと》の 名前《なまえ》や 住所《じゅうしょ》、マイナンバーは 書かないで《かかないで》ください。

# Accessibility
portal-accessibility = だれでも 使える《つかえる》ように
portal-a11y-lead = どんな 人《ひと》も、どんな 機械《きかい》でも、同じ《おなじ》ことが わかるように しています。
portal-a11y-aim = 目標《もくひょう》
portal-a11y-aim-1 = JIS X 8341-3:2016 の AA と WCAG 2.2 の AA と いう 決まり《きまり》を 守ります《まもります》。
portal-a11y-aim-2 = 新しく《あたらしく》する 前《まえ》に、いつも 3つの ことばと 2つの 画面《がめん》の 大きさ《おおきさ》で 調べて《しらべて》います。
portal-a11y-how = ｜使い方《つかいかた》
portal-a11y-how-1 = どの ページも、キーボードだけで 使えます《つかえます》。
portal-a11y-how-2 = 地図《ちず》と 同じ《おなじ》ことが、下《した》の 表《ひょう》にも あります。
portal-a11y-how-3 = 道《みち》の ようすは、色《いろ》だけでなく、線《せん》の 形《かたち》と ことばでも わかります。
portal-a11y-left = まだ できて いない こと
portal-a11y-left-1 = 声《こえ》で 読む《よむ》 ソフトを、人《ひと》が 使って《つかって》 調べる《しらべる》ことは、まだ 終わって《おわって》いません。使いにくい《つかいにくい》 ところを 教えて《おしえて》ください。

# Privacy
portal-privacy = あなたの 情報《じょうほう》
portal-privacy-lead = この ページを 見る《みる》だけなら、あなたが だれか わかりません。
portal-privacy-now = 覚える《おぼえる》もの
portal-privacy-now-1 = 選んだ《えらんだ》 場所《ばしょ》と ことばだけです。この ページだけが 使います《つかいます》。
portal-privacy-now-2 = ほかの 会社《かいしゃ》の 広告《こうこく》や 地図《ちず》は 使って《つかって》いません。
portal-privacy-log = 記録《きろく》
portal-privacy-log-1 = 開いた《ひらいた》 ページの 種類《しゅるい》と 時間《じかん》を 記録《きろく》します。さがした ことばは 記録《きろく》しません。
portal-privacy-never = 読まない《よまない》もの
portal-privacy-never-1 = マイナンバーを 読む《よむ》ことは ありません。

# Open data
portal-open-data = みんなが 使える《つかえる》 データ
portal-open-lead = ページで 見る《みる》ことが できる データは、プログラムでも 使えます《つかえます》。
portal-open-roads = 雪《ゆき》の 道《みち》の ようす
portal-open-roads-1 = 道《みち》ごとの ようすです。練習《れんしゅう》の データには simulated と 書いて《かいて》あります。
portal-open-places = 市《し》・町《まち》の 名前《なまえ》
portal-open-places-1 = 19の 市《し》と 町《まち》の 番号《ばんごう》、｜読み方《よみかた》、場所《ばしょ》です。
portal-open-sources = もとの データ
portal-open-sources-1 = 市《し》と 町《まち》の 境《さかい》: ｜国土数値情報《こくどすうちじょうほう》（｜行政区域《ぎょうせいくいき》データ）（｜国土交通省《こくどこうつうしょう》）を 加工《かこう》して 作りました《つくりました》。
portal-open-sources-2 = 町《まち》の 場所《ばしょ》: Geolonia ｜住所《じゅうしょ》データ（CC BY 4.0）。

# Developers
portal-developers = プログラムを 作る《つくる》 人《ひと》へ
portal-dev-lead = データは すぐに 使えます《つかえます》。機械《きかい》を つなぐときは、役所《やくしょ》の 人《ひと》から 鍵《かぎ》を もらってください。
portal-dev-id = いしかわIDで ログインできる ように する
portal-dev-id-1 = 10分《ぷん》で つながります。そのまま 動く《うごく》 例《れい》が あります。
portal-dev-id-go = いしかわIDを つなぐ
portal-dev-try = はじめに
portal-dev-try-1 = この 1行《ぎょう》で、町《まち》の 名前《なまえ》から 場所《ばしょ》が わかります。
portal-dev-device = GPSを つなぐ
portal-dev-device-1 = 鍵《かぎ》と いっしょに 場所《ばしょ》を 送って《おくって》ください。同じ《おなじ》 時間《じかん》の 場所《ばしょ》を 2回《かい》 送って《おくって》も、1回《かい》と 数えます《かぞえます》。
portal-dev-device-2 = Traccar Client も 使えます《つかえます》。送る《おくる》 ところは /api/snow/v1/osmand、名前《なまえ》は 鍵《かぎ》です。
portal-dev-reference = もっと くわしく
portal-dev-reference-1 = ぜんぶの ｜使い方《つかいかた》は OpenAPI に あります。
portal-dev-reference-2 = まちがいは RFC 9457 の 形《かたち》で 返します《かえします》。next に、次《つぎ》に することが 書いて《かいて》あります。

# Staff
portal-staff = 職員《しょくいん》の ページ

# The frame of every page
portal-site = いしかわポータル
portal-site-sub = 石川県《いしかわけん》と 19の 市《し》・町《まち》の サービスの 入《い》り口《ぐち》
portal-sign = 石川県《いしかわけん》・19の 市《し》と 町《まち》
portal-sign-in-here = ログイン
portal-keys = 機械《きかい》と 会社《かいしゃ》の 鍵《かぎ》
portal-keys-lead = 機械《きかい》と、会社《かいしゃ》の プログラムが 使う《つかう》 鍵《かぎ》です。なくした 鍵《かぎ》は すぐに 止めて《とめて》 ください。
portal-key-made = 「{ $label }」の 鍵《かぎ》を 作りました《つくりました》。
portal-key-once = 今《いま》、この 鍵《かぎ》を 書いて《かいて》 おいて ください。あとで 見る《みる》ことは できません。
portal-key-holder = 番号《ばんごう》
portal-key-new = 鍵《かぎ》を 作る《つくる》
portal-key-label = 名前《なまえ》
portal-key-label-hint = 機械《きかい》や 会社《かいしゃ》の 名前《なまえ》。40文字《もじ》まで。人《ひと》の 名前《なまえ》は 書かないで《かかないで》 ください。
portal-key-kind = 種類《しゅるい》
portal-key-device = 機械《きかい》
portal-key-program = 会社《かいしゃ》の プログラム
portal-key-scopes = プログラムが して よい こと（機械《きかい》では 選びません《えらびません》）
portal-key-days = 使える《つかえる》 日数《にっすう》
portal-key-days-hint = 書かないと《かかないと》、止める《とめる》まで 使えます《つかえます》。
portal-key-issue = 作る《つくる》
portal-key-list = 作った《つくった》 鍵《かぎ》　{ $n }
portal-key-since = 作った《つくった》 時《とき》
portal-key-until = { $time }まで
portal-key-state = 今《いま》
portal-key-ended = { $time }に 終わりました《おわりました》
portal-key-revoke = 止める《とめる》
portal-rules = きまり（だれが 何《なに》を できるか）
portal-rules-lead = 書い《かい》て ない ことは できません。
portal-rules-ask = きまりに 聞く《きく》
portal-rules-who = だれが
portal-rules-from = どこの
portal-rules-how = どう やって 入っ《はいっ》て
portal-rules-may = 何《なに》を
portal-rules-whose = どこの もの
portal-rules-go = 聞く《きく》
portal-rules-yes = できます
portal-rules-no = できません
portal-rules-nothing = できる きまりが ありません。
portal-rules-all = ぜんぶの きまり
portal-rules-forbids = できない
portal-rules-permits = できる
portal-rules-text = 文《ぶん》（Cedar）
portal-rules-resident = 住民《じゅうみん》
portal-rules-client = プログラム
portal-rules-device = 機械《きかい》
portal-rules-anonymous = だれか わからない 人《ひと》
portal-rules-shared = ぜんぶ
portal-rules-none = だれでも
portal-rules-key = 鍵《かぎ》
portal-rules-password = パスワード
portal-rules-otp = パスワードと コード
portal-rules-passkey = パスキー
portal-rules-card = マイナンバーカード
portal-rules-card-sign = マイナンバーカード（署名《しょめい》）
portal-matrix = 許可《きょか》の 表《ひょう》
portal-matrix-lead = ○は できます。ない 人《ひと》は できません。
portal-matrix-module = どの
portal-matrix-show = 見る《みる》
portal-matrix-nobody = だれも できません。
portal-matrix-own = 自分《じぶん》の ところ
portal-matrix-below = 県《けん》から 見《み》た 市《し》や 町《まち》
portal-matrix-other = ほかの ところ
portal-matrix-open = みんなの もの
