portal-home = Ishikawa Portal

# Home
portal-area-now = Area shown
portal-area-own = The area of your address
portal-area-choose = Choose another area
portal-area-go = Change
portal-area-note = You need not sign in. The area you choose is remembered on this device only.
portal-area-all = All of Ishikawa
portal-services = Services you can use

# Roads in snow
portal-snow-title = Roads in snow: { $area }
portal-snow-lead = **{ $done }** of { $all } road segments to be cleared are done.
portal-snow-rest = No ploughs are out at the moment.
portal-as-of = state
portal-snow-delay-seconds = Published { $n } seconds later, for the safety of the crews
portal-snow-delay-minutes = Published { $n } minutes later, for the safety of the crews
portal-snow-go = See each road
portal-segments = segments
portal-others = Roads where those live for whom you act
portal-others-lead = The areas of people whose notices you may read.
portal-state-done = Cleared
portal-state-doing = In progress
portal-state-part = Partly
portal-state-todo = Not yet
portal-state-unknown = No data

# Contact
portal-contact = Contact
portal-contact-lead = Who runs this portal.
portal-contact-who = Office
portal-contact-unset = No office has been set yet. While the portal runs on simulated data, questions about real roads or disasters cannot be answered here.
portal-contact-tell = What helps us
portal-contact-tell-1 = Say what you tried and what happened. If an error page shows a request number, add it.
portal-contact-tell-2 = Please do not write personal data of others or anybody's My Number.

# Accessibility
portal-accessibility = Accessibility
portal-a11y-lead = Everybody should reach the same information on any device.
portal-a11y-aim = Our aim
portal-a11y-aim-1 = JIS X 8341-3:2016 level AA and WCAG 2.2 level AA.
portal-a11y-aim-2 = Every release is checked automatically in three languages and two widths before it is published.
portal-a11y-how = How to use it
portal-a11y-how-1 = Every page works without JavaScript and by keyboard alone.
portal-a11y-how-2 = What a map shows is always in a list too.
portal-a11y-how-3 = A state is shown by line pattern and word, not by colour alone.
portal-a11y-left = Not done yet
portal-a11y-left-1 = Checks by people with screen readers are not finished. Tell us what is hard to use.

# Privacy
portal-privacy = Privacy
portal-privacy-lead = If you only read these pages, we do not learn who you are.
portal-privacy-now = What is kept on your device
portal-privacy-now-1 = The area and the language you chose. Only this portal reads them.
portal-privacy-now-2 = No advertising, measuring, maps or fonts of other companies are used.
portal-privacy-log = Records
portal-privacy-log-1 = The server records the kind of page, the time and the result, not what you searched for and not the full address.
portal-privacy-never = What is never read
portal-privacy-never-1 = My Number (個人番号) is never read or stored.

# Open data
portal-open-data = Open data
portal-open-lead = Public information on these pages is also there for programs. No key is needed.
portal-open-roads = State of roads in snow
portal-open-roads-1 = The state of each segment, with the same delay as the pages. Simulated data carries the mark simulated.
portal-open-places = Municipalities and towns
portal-open-places-1 = Codes, readings and boundaries of the 19 municipalities, and the positions of towns.
portal-open-sources = Sources
portal-open-sources-1 = Boundaries: made from National Land Numerical Information (administrative areas), MLIT Japan.
portal-open-sources-2 = Towns: Geolonia address data (CC BY 4.0).

# Developers
portal-developers = Developers
portal-dev-lead = Public information is open at once. To connect a device, ask the staff in charge for a key.
portal-dev-id = Sign people in with Ishikawa ID
portal-dev-id-1 = Any OpenID Connect library connects in ten minutes. There are examples that run as they are, trial accounts and the list of items.
portal-dev-id-go = How to connect
portal-dev-try = Try it
portal-dev-try-1 = This one line finds a town by its name.
portal-dev-device = Connect a plough's GPS
portal-dev-device-1 = Send positions in batches with the key. A position sent twice counts once.
portal-dev-device-2 = Free apps such as Traccar Client work too: server address /api/snow/v1/osmand, device identifier = the key.
portal-dev-reference = Reference
portal-dev-reference-1 = All operations are described with OpenAPI.
portal-dev-reference-2 = Errors are RFC 9457 problem documents. code is stable; next says what to do.

# Staff
portal-staff = Staff

# The frame of every page
portal-site = Ishikawa Portal
portal-site-sub = Services of Ishikawa Prefecture and its 19 municipalities
portal-sign = Ishikawa Prefecture and its 19 municipalities
portal-sign-in-here = Sign in
portal-keys = Keys of devices and vendors
portal-keys-lead = The keys that devices and vendors’ programs use. Keys of devices that were registered on the page of a service are listed here too. Stop a lost key at once.
portal-key-made = The key of “{ $label }” is issued.
portal-key-once = Write this key down now. It cannot be shown again.
portal-key-holder = Id
portal-key-new = Issue a key
portal-key-label = Name
portal-key-label-hint = What the device or vendor is called, up to 40 characters. No names of people.
portal-key-kind = Kind
portal-key-device = Device
portal-key-program = Vendor’s program
portal-key-scopes = What the program may do (not for devices)
portal-key-days = Days it is valid
portal-key-days-hint = Left empty, it works until it is stopped.
portal-key-issue = Issue
portal-key-list = Issued keys: { $n }
portal-key-since = Issued
portal-key-until = until { $time }
portal-key-state = State
portal-key-ended = ended { $time }
portal-key-revoke = Stop
portal-rules = Rules: who may do what
portal-rules-lead = These rules are what the system runs. What no rule permits is refused.
portal-rules-ask = Ask the rules
portal-rules-who = Who
portal-rules-from = From
portal-rules-how = Signed in by
portal-rules-may = Does what
portal-rules-whose = On whose
portal-rules-go = Ask
portal-rules-yes = It is allowed
portal-rules-no = It is refused
portal-rules-nothing = No rule permits it.
portal-rules-all = All rules
portal-rules-forbids = Forbids
portal-rules-permits = Permits
portal-rules-text = The text that runs (Cedar)
portal-rules-resident = A resident
portal-rules-client = A vendor's program (its key has this permission)
portal-rules-device = A device
portal-rules-anonymous = Somebody unknown
portal-rules-shared = The whole installation
portal-rules-none = nothing
portal-rules-key = a key
portal-rules-password = password
portal-rules-otp = password and one-time code
portal-rules-passkey = passkey
portal-rules-card = My Number card (authentication)
portal-rules-card-sign = My Number card (signature)
portal-matrix = Permission table
portal-matrix-lead = What each role may do. ○ is allowed; who is not in a table may not.
portal-matrix-module = Of which part
portal-matrix-show = Show
portal-matrix-nobody = Nobody may.
portal-matrix-own = Own
portal-matrix-below = Municipality, from its prefecture
portal-matrix-other = Others'
portal-matrix-open = Public
