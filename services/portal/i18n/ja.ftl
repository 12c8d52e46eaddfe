portal-home = いしかわポータル

# Home
portal-area-now = 表示している地域
portal-area-own = あなたの登録した住所の地域
portal-area-choose = 地域を選び直す
portal-area-go = 切り替える
portal-area-note = ログインしなくても使えます。選んだ地域は、この端末にだけ記憶します。
portal-area-all = 石川県全体
portal-services = 使えるサービス

# Roads in snow
portal-snow-title = { $area }の雪みち
portal-snow-lead = 除雪の対象{ $all }区間のうち、**{ $done }区間**の除雪が済んでいます。
portal-snow-rest = いまは除雪車の出動はありません。
portal-as-of = 現在
portal-snow-delay-seconds = 作業の安全のため、{ $n }秒遅らせて公開しています
portal-snow-delay-minutes = 作業の安全のため、{ $n }分遅らせて公開しています
portal-snow-go = 道路ごとの状況を見る
portal-segments = 区間
portal-others = 代理をしている方の地域の雪みち
portal-others-lead = お知らせを見ることを任されている方の、登録した住所の地域です。
portal-state-done = 除雪済み
portal-state-doing = 作業中
portal-state-part = 一部
portal-state-todo = 未除雪
portal-state-unknown = データなし

# Contact
portal-contact = お問い合わせ
portal-contact-lead = このポータルを運営する窓口です。
portal-contact-who = 窓口
portal-contact-unset = 窓口はまだ設定されていません。模擬データで動いている間は、実際の道路や災害についてのお問い合わせはお受けできません。
portal-contact-tell = お知らせいただきたいこと
portal-contact-tell-1 = 何をしようとして、何が起きたかをお書きください。エラーの画面に「お問い合わせ番号」があれば、それも添えてください。
portal-contact-tell-2 = ほかの方の個人情報や、マイナンバー（個人番号）は書かないでください。

# Accessibility
portal-accessibility = アクセシビリティ
portal-a11y-lead = だれでも、どの端末でも、同じ情報にたどり着けることを目指しています。
portal-a11y-aim = 目標
portal-a11y-aim-1 = JIS X 8341-3:2016 の適合レベルAA と WCAG 2.2 のレベルAA を目標にしています。
portal-a11y-aim-2 = 公開の前に毎回、三つの言語と二つの画面幅で自動検査をしています。
portal-a11y-how = 使いかた
portal-a11y-how-1 = すべてのページは、JavaScriptがなくても、キーボードだけでも使えます。
portal-a11y-how-2 = 地図と同じ内容が、必ず一覧にもあります。
portal-a11y-how-3 = 状態は、色だけでなく、線の形と言葉でも示します。
portal-a11y-left = まだできていないこと
portal-a11y-left-1 = 人の手による読み上げソフトの確認は、まだ終わっていません。使いにくいところがあれば、お知らせください。

# Privacy
portal-privacy = 個人情報の取り扱い
portal-privacy-lead = このページを見るだけなら、あなたがだれかを知ることはありません。
portal-privacy-now = いま端末に記憶するもの
portal-privacy-now-1 = 選んだ地域と、表示することばだけです。どちらもこのポータルだけが読みます。
portal-privacy-now-2 = ほかの会社の広告、計測、地図、文字の部品は使っていません。
portal-privacy-log = 記録
portal-privacy-log-1 = サーバーは、開いたページの種類と時刻、結果を記録します。検索した言葉や、住所の全体は記録しません。
portal-privacy-never = 読み取らないもの
portal-privacy-never-1 = マイナンバー（個人番号）を読み取ったり、保存したりすることはありません。

# Open data
portal-open-data = オープンデータ
portal-open-lead = 画面で見られる公開の情報は、プログラムからも使えます。鍵は要りません。
portal-open-roads = 雪みちの状態
portal-open-roads-1 = 区間ごとの状態です。公開の遅れは画面と同じです。模擬データには simulated の印が付いています。
portal-open-places = 市町と町の名前
portal-open-places-1 = 県内19市町のコード、読み、境界と、町・字の位置です。
portal-open-sources = もとのデータ
portal-open-sources-1 = 市町の境界: 国土数値情報（行政区域データ）（国土交通省）を加工して作成。
portal-open-sources-2 = 町・字の位置: Geolonia 住所データ（CC BY 4.0）。

# Developers
portal-developers = 開発者の方へ
portal-dev-lead = 公開の情報はすぐに使えます。機器をつなぐには、担当の職員から鍵を受け取ってください。
portal-dev-id = いしかわIDでログインできるようにする
portal-dev-id-1 = OpenID Connect の部品なら、10分でつながります。コピーして動く例、お試しの利用者、項目の一覧があります。
portal-dev-id-go = いしかわIDでログインするサービスをつくる
portal-dev-try = まず試す
portal-dev-try-1 = 次の一行で、町の名前から位置を調べられます。
portal-dev-device = 除雪車のGPSをつなぐ
portal-dev-device-1 = 鍵を添えて、位置をまとめて送ります。同じ時刻の位置を二度送っても、一度として扱います。
portal-dev-device-2 = Traccar Client などの無料のアプリも使えます。送り先を /api/snow/v1/osmand に、端末の識別子を鍵にしてください。
portal-dev-reference = くわしい仕様
portal-dev-reference-1 = すべての操作を OpenAPI の形で公開しています。
portal-dev-reference-2 = 誤りは RFC 9457 の形で返します。code は変わりません。next に、次にすることを書いています。

# Staff
portal-staff = 職員のページ

# The frame of every page
portal-site = いしかわポータル
portal-site-sub = 石川県と19市町のサービスの入り口
portal-sign = 石川県・県内19市町
portal-sign-in-here = いしかわIDでログイン
portal-keys = 機器と事業者の鍵
portal-keys-lead = 機器と、事業者のプログラムが使う鍵です。業務の画面で登録した機器の鍵も、ここに並びます。なくした鍵はすぐに止めてください。
portal-key-made = 「{ $label }」の鍵を発行しました。
portal-key-once = 下の鍵を、いま控えてください。この画面を閉じると、もう表示できません。
portal-key-holder = 番号
portal-key-new = 鍵を発行する
portal-key-label = 名前
portal-key-label-hint = 機器や事業者の呼び名。40文字まで。人の名前は書かないでください。
portal-key-kind = 種類
portal-key-device = 機器
portal-key-program = 事業者のプログラム
portal-key-scopes = プログラムに許すこと（機器では選びません）
portal-key-days = 有効な日数
portal-key-days-hint = 空のままなら、止めるまで使えます。
portal-key-issue = 発行する
portal-key-list = 発行した鍵　{ $n }件
portal-key-since = 発行した時刻
portal-key-until = { $time }まで
portal-key-state = いまの状態
portal-key-ended = { $time }に終わりました
portal-key-revoke = 止める
portal-rules = きまり（だれに何が許されるか）
portal-rules-lead = ここにあるきまりが、そのまま動いています。どれにも書かれていないことは、許可されません。
portal-rules-ask = きまりに尋ねる
portal-rules-who = だれが
portal-rules-from = どこの
portal-rules-how = どうやって入って
portal-rules-may = 何を
portal-rules-whose = どこのものについて
portal-rules-go = 尋ねる
portal-rules-yes = 許可されます
portal-rules-no = 許可されません
portal-rules-nothing = 許しているきまりがありません。
portal-rules-all = すべてのきまり
portal-rules-forbids = 禁止
portal-rules-permits = 許可
portal-rules-text = 動いている文（Cedar）
portal-rules-resident = 住民
portal-rules-client = 事業者のプログラム（鍵にこの許可がある）
portal-rules-device = 機器
portal-rules-anonymous = だれだか分からない人
portal-rules-shared = 装置全体（県内共通）
portal-rules-none = だれでも
portal-rules-key = 鍵
portal-rules-password = パスワード
portal-rules-otp = パスワードと確認コード
portal-rules-passkey = パスキー
portal-rules-card = マイナンバーカード（利用者証明用）
portal-rules-card-sign = マイナンバーカード（署名用）
portal-matrix = 許可の表
portal-matrix-lead = 役割ごとに、何が許されるかです。○は許可。表にない役割には許されません。
portal-matrix-module = どの機能の
portal-matrix-show = 表示する
portal-matrix-nobody = だれにも許可されていません。
portal-matrix-own = 自分の組織
portal-matrix-below = 県から見た市町
portal-matrix-other = ほかの組織
portal-matrix-open = 県全体に公開
