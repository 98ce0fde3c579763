// better-auth with its two-factor plugin, whose `POST /api/auth/two-factor/enable` begins the enrolment of an app.
import { betterAuth } from "better-auth";
import { options } from "./options.js";

let auth;

export default {
  fetch(request, env) {
    auth ??= betterAuth(options(env));
    return auth.handler(request);
  },
};
