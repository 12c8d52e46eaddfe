# login.py: python3 login.py (needs nothing but Python)
import base64, hashlib, http.server, json, secrets
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import Request, urlopen

ISSUER, CLIENT, SECRET = "__ISSUER__", "__CLIENT__", "__SECRET__"
REDIRECT = "http://127.0.0.1:8766/callback"

def call(url, form=None, **headers):
    with urlopen(Request(url, urlencode(form).encode() if form else None, headers)) as answer:
        return json.load(answer)

about = call(ISSUER + "/.well-known/openid-configuration")
state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")

class Callback(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = dict(parse_qsl(urlsplit(self.path).query))
        if asked.get("state") != state or asked.get("iss") != ISSUER:
            return self.send_error(400)
        basic = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        form = {"grant_type": "authorization_code", "code": asked["code"],
                "redirect_uri": REDIRECT, "code_verifier": verifier}
        tokens = call(about["token_endpoint"], form, Authorization=basic)
        bearer = "Bearer " + tokens["access_token"]
        person = call(about["userinfo_endpoint"], Authorization=bearer)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Signed in. Look at the terminal.")
        print(json.dumps(person, ensure_ascii=False), flush=True)

with http.server.HTTPServer(("127.0.0.1", 8766), Callback) as server:
    query = {"response_type": "code", "client_id": CLIENT, "redirect_uri": REDIRECT, "state": state,
             "scope": "openid profile residence", "code_challenge": challenge.decode(),
             "code_challenge_method": "S256"}
    print("Open", about["authorization_endpoint"] + "?" + urlencode(query), flush=True)
    server.handle_request()
