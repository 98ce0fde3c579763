/** Whether a command line asks what can be asked, of one command or of all. */
export const asksForHelp = (args) => args.includes("--help") || args.includes("-h") || args[0] === "help";
