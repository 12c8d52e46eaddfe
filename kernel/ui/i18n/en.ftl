# Layout
ui-site = Ishikawa Portal
ui-site-sub = Services of Ishikawa Prefecture and its 19 municipalities
ui-sign = Ishikawa Prefecture and its 19 municipalities
ui-skip = Skip to the content
ui-languages = Language
ui-crumbs = You are here
ui-simulated-strip = Everything shown here is simulated data.
ui-simulated = Simulated data
ui-sign-in = Sign in
ui-sign-in-with = Sign in with Ishikawa ID
ui-signed-in = { $name }
ui-emergency = Emergency notice
ui-console-menu = Staff menu

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
