# Layout
ui-site = いしかわポータル
ui-site-sub = 石川県と19市町のサービスの入り口
ui-sign = 石川県・県内19市町
ui-skip = 本文へ移動
ui-languages = 表示することば
ui-crumbs = 現在の位置
ui-simulated-strip = 表示している内容はすべて模擬データです。
ui-simulated = 模擬データ
ui-sign-in = ログイン
ui-sign-in-with = いしかわIDでログイン
ui-signed-in = { $name }さん
ui-emergency = 緊急のお知らせ
ui-console-menu = 職員のメニュー

# Forms
ui-required = 必須
ui-errors-title = 入力の内容を確かめてください（{ $n }か所）

# Lists
ui-pages = ページの移動
ui-next = 次の{ $n }件
ui-first = 最初に戻る

# Waiting to be sent
ui-pending = 送信待ち **{ $n }**件
ui-pending-offline = **通信が切れています。**受付はこのまま続けられます。つながると自動で送ります。
ui-pending-last = 最後の送信 { $time }

# Maps
ui-map-show = 地図を表示する
ui-map-loading = 地図を読み込んでいます。
ui-map-failed = 地図を表示できませんでした。同じ内容は一覧で確かめられます。
ui-map-stale = 新しい情報を受け取れていません。{ $time }の状態を表示しています。
ui-map-row = 一覧のこの行を見る
ui-map-help = 矢印キーで移動、＋と−で拡大と縮小ができます。Nキーで線を順に選べます。
ui-map-gesture = 地図は2本の指で動かせます。
ui-map-gesture-wheel = 地図を拡大するには、Ctrlキーを押しながら回してください。
ui-map-gesture-wheel-mac = 地図を拡大するには、⌘キーを押しながら回してください。
ui-map-zoom-in = 拡大
ui-map-zoom-out = 縮小

# Errors
ui-error-400 = 入力された内容を読み取れませんでした
ui-error-400-text = 前の画面に戻り、内容を確かめてから、もう一度お試しください。
ui-error-401 = ログインが必要です
ui-error-401-text = ログインしてから、もう一度このページを開いてください。
ui-error-403 = このページを開く権限がありません
ui-error-403-text = 必要な方は、所属の責任者に権限の追加を依頼してください。
ui-error-404 = ページが見つかりません
ui-error-404-text = アドレスが変わったか、ページがなくなった可能性があります。最初のページからお探しください。
ui-error-409 = ほかの操作で内容が変わりました
ui-error-409-text = ページを読み込み直して、いまの内容を確かめてから、もう一度お試しください。
ui-error-413 = 送られた内容が大きすぎます
ui-error-413-text = 写真やファイルを小さくするか、何回かに分けて送ってください。
ui-error-429 = アクセスが集中しています
ui-error-429-text = 少し待ってから、もう一度お試しください。
ui-error-500 = こちらの不具合で表示できませんでした
ui-error-500-text = 入力のまちがいではありません。少し待ってから、もう一度お試しください。
ui-error-503 = いまは利用できません
ui-error-503-text = 少し待ってから、もう一度お試しください。お急ぎの用件は、お住まいの市町の窓口か電話をご利用ください。
ui-error-retry = { $n }秒ほど待つと、使えるようになる見込みです。
ui-error-home = 最初のページへ
ui-error-ask = 続けて起きるとき
ui-error-ask-text = お問い合わせの際は、次の番号をお伝えください。何が起きたかをすぐに調べられます。
ui-error-id = 受付番号
ui-error-code = 種類
ui-error-detail = 技術的な内容
