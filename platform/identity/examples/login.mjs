// login.mjs: npm install openid-client, then node login.mjs
import { createServer } from "node:http";
import * as client from "openid-client";

const issuer = new URL("__ISSUER__");
const secret = client.ClientSecretBasic("__SECRET__");
const options = {};
options.execute = [client.allowInsecureRequests]; // the demo speaks plain HTTP on this machine
const config = await client.discovery(issuer, "__CLIENT__", {}, secret, options);

const redirect_uri = "http://127.0.0.1:8765/callback";
const pkceCodeVerifier = client.randomPKCECodeVerifier();
const expectedState = client.randomState();
const address = client.buildAuthorizationUrl(config, {
  redirect_uri,
  scope: "openid profile residence",
  state: expectedState,
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: "S256",
});
const server = createServer(async (request, answer) => {
  const url = new URL(request.url, redirect_uri);
  if (url.pathname !== "/callback") return answer.writeHead(404).end();
  const tokens = await client.authorizationCodeGrant(config, url, { pkceCodeVerifier, expectedState });
  const person = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  answer.end("Signed in. Look at the terminal.");
  console.log(person);
  server.close();
});
server.listen(8765, "127.0.0.1", () => console.log(`Open ${address.href}`));
