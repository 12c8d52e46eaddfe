# Layout
ui-site = Kenroku
ui-site-sub = The entrance to public services
ui-sign = Runs on Kenroku
ui-skip = Skip to the content
ui-languages = Language
ui-crumbs = You are here
ui-simulated-strip = Everything shown here is simulated data.
ui-simulated = Simulated data
ui-sign-in = Sign in
ui-own-page = My page
ui-emergency = Emergency notice
ui-console-menu = Staff menu
ui-console-leave = Sign out
ui-console-home = Staff pages

# Forms
ui-required = required
ui-errors-title = { $n ->
    [one] Please check one entry
   *[other] Please check { $n } entries
 }

# Lists
ui-pages = Pages
ui-next = Next { $n }
ui-first = Back to the start

# Waiting to be sent
ui-pending = **{ $n }** waiting to be sent
ui-pending-offline = **There is no connection.** You can go on working; everything is sent when the connection is back.
ui-pending-last = Last sent { $time }

# Maps
ui-map-show = Show the map
ui-map-loading = Loading the map.
ui-map-failed = The map could not be shown. The list has the same information.
ui-map-stale = No new information is arriving. This is the state at { $time }.
ui-map-row = Go to this row of the list
ui-map-help = Move with the arrow keys, zoom with + and −, step through the lines with N.
ui-map-gesture = Use two fingers to move the map.
ui-map-gesture-wheel = Hold Ctrl while scrolling to zoom the map.
ui-map-gesture-wheel-mac = Hold ⌘ while scrolling to zoom the map.
ui-map-zoom-in = Zoom in
ui-map-zoom-out = Zoom out

# Errors
ui-error-400 = We could not read what was sent
ui-error-400-text = Please go back, check your entries and try again.
ui-error-401 = Please sign in
ui-error-401-text = Sign in, then open this page again.
ui-error-403 = You do not have access to this page
ui-error-403-text = If you need it for your work, ask the person responsible in your office.
ui-error-404 = Page not found
ui-error-404-text = The address may have changed or the page may be gone. Please start from the first page.
ui-error-409 = Something else changed this in the meantime
ui-error-409-text = Load the page again, look at what it says now, then repeat your change.
ui-error-413 = What was sent is too large
ui-error-413-text = Make pictures or files smaller, or send them in several parts.
ui-error-429 = Too many requests at the moment
ui-error-429-text = Please wait a little and try again.
ui-error-500 = Something went wrong on our side
ui-error-500-text = You did nothing wrong. Please wait a little and try again.
ui-error-503 = Not available at the moment
ui-error-503-text = Please wait a little and try again. If it is urgent, visit or call your city or town office.
ui-error-retry = { $n ->
    [one] It should work again in about a second.
   *[other] It should work again in about { $n } seconds.
 }
ui-error-home = Go to the first page
ui-error-ask = If it keeps happening
ui-error-ask-text = When you contact us, please give us this number. It tells us exactly what happened.
ui-error-id = Request number
ui-error-code = Kind
ui-error-detail = Technical detail

# Charts
ui-chart-table = { $title } (table)
ui-chart-none = no data
ui-chart-partial = { " " }(so far)
ui-chart-empty = There is no data to show.
ui-chart-bars = Bar chart. Of { $n } bars the highest is { $label } with { $value } { $unit }. The figures are in the table.
ui-chart-lines = Line chart of { $names }, between { $low } and { $high } { $unit }. The figures are in the table.
ui-chart-and = { " " }and{ " " }
ui-chart-areas = Map of { $n } areas shaded by value. The figures are in the table.
ui-chart-range = { $from } to { $to } { $unit }

# The page of components
ui-design = Components
ui-design-lead = Every component in every state. Figures that matter are **strong**.
ui-design-asof = As of { $time }
ui-design-warn = No data from this area for 40 minutes.
ui-design-warn-text = Shown is the state at 9:40 am.
ui-design-staff = Staff page
ui-design-error = Error page
ui-design-states = States
ui-design-done = Cleared
ui-design-doing = In progress
ui-design-part = Partly cleared
ui-design-todo = Not yet
ui-design-unknown = No data
ui-design-out = Not covered
ui-design-age-h1 = less than 1 hour
ui-design-age-h3 = 1–3 hours
ui-design-age-h6 = 3–6 hours
ui-design-age-h12 = 6–12 hours
ui-design-age-h24 = 12–24 hours
ui-design-age-older = 24 hours or more
ui-design-age-never = no record
ui-design-units = 11 sections: 5 cleared, 2 in progress, 2 partly, 1 not yet, 1 unknown
ui-design-qr = QR code of https://portal.example.jp/
ui-design-rows = List
ui-design-number = No.
ui-design-place = Place
ui-design-time = Time
ui-design-owner = Prefectural road 901
ui-design-map = Map
ui-design-meaning = The same line in the list and on the map
ui-design-tab-state = State
ui-design-tab-age = Age
ui-design-forms = Forms
ui-design-primary = Show these
ui-design-other = Cancel
ui-design-small = Check
ui-design-large = Answer and go on
ui-design-off = Not possible now
ui-design-question = May we pass this on?
ui-design-yes = Yes
ui-design-no = No
ui-design-send = Send the answer
ui-design-field = Town or route number
ui-design-field-hint = For example 北町 or 901
ui-design-field-required = Day of clearing
ui-design-field-wrong = Write the date as 2026-01-14
ui-design-select = Municipality
ui-design-select-wrong = Choose a municipality
ui-design-text = What you noticed
ui-design-checks = Towns to show
ui-design-radios = Main town
ui-design-north = North
ui-design-south = South
ui-design-notices = Notices
ui-design-saved = Saved.
ui-design-saved-text = You can go on at any time.
ui-design-failed = Not saved.
ui-design-failed-text = What you wrote is still here. Please press Save again.
ui-design-info = Closed tonight for maintenance.
ui-design-info-text = From 1 to 3 am.
ui-design-empty = Nothing matches.
ui-design-empty-text = Fewer conditions may help.
ui-design-empty-link = Show all
ui-design-ladder = Ways in order of ease
ui-design-seconds = about { $n } seconds
ui-design-step-1 = Scan the QR code
ui-design-step-1-text = For the whole family at once
ui-design-step-2 = Count people only
ui-design-step-2-text = Names can be added later
ui-design-level = Levels
ui-design-level-0 = Normal
ui-design-level-1 = Caution
ui-design-level-2 = Warning
ui-design-level-3 = Emergency
ui-design-facts = Terms and values
ui-design-charts = Charts
ui-design-bars = Kilometres cleared per hour
ui-design-bars-note = The last bar ends at { $time }.
ui-design-hours = Hour
ui-design-hour = { $n }:00
ui-design-length = Length
ui-design-lines = Depth of snow
ui-design-areas = Depth of snow by area
ui-design-areas-note = A sketch (simulated data).
ui-design-depth = Depth
ui-design-emergency = Heavy snow warning
ui-design-emergency-text = Please stay at home if you can and avoid driving.
ui-design-emergency-link = More about the warning
ui-design-issued = Issued { $time }
ui-design-tool = Snow clearing
ui-design-role = Road maintenance
ui-design-leave = Hand over
ui-design-work = To do
