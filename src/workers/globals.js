// What stands for the runtime's own in what wasm-bindgen writes.

// The runtime's queueMicrotask goes through C++ and back, three times a request.
const settled = Promise.resolve();
export function queueMicrotask(task) {
  settled.then(task);
}

// Watches closures that JavaScript drops uncalled: here only those of promises that never settle, and registering the
// others is most of what the collector has to do.
// biome-ignore lint/suspicious/noShadowRestrictedNames: the build puts it in the global's place
export class FinalizationRegistry {
  register() {}
  unregister() {}
}
