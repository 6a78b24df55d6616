# `make ports` writes this file to build/dist/ with address and checksum of the source release.
class Dgrid < Formula
  desc "Distributed task grid in a Git repository"
  homepage "@SOURCE@"
  url "@SOURCE@/releases/download/v@VERSION@/dgrid-@VERSION@.tar.gz"
  sha256 "@SHA256@"
  license "MIT"

  # git comes with the system, on Linux from Homebrew.
  uses_from_macos "git"

  def install
    system "make"
    system "make", "install", "PREFIX=#{prefix}", "MANDIR=#{man}", "DOCDIR=#{doc}",
           "BASHCOMPDIR=#{bash_completion}", "ZSHCOMPDIR=#{zsh_completion}", "FISHCOMPDIR=#{fish_completion}",
           "UNITDIR=", "SYSUSERSDIR="
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/dgrid version")
    system "git", "init", "--quiet", "--bare", "--initial-branch=main", "grid.git"
    ENV["DGRID_REPO_URL"] = "#{testpath}/grid.git"
    system bin/"dgrid", "init", "--no-workflows"
    system bin/"dgrid", "submit", "--id", "hello", "--", "echo hello"
    assert_match "1 queued", shell_output("#{bin}/dgrid status")
  end
end
