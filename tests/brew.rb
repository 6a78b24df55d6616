# What Homebrew does with a formula, as far as dgrid's uses it: reads it, runs its install in the unpacked source, then its test.
#   ruby brew.rb FORMULA SOURCE-FOLDER PREFIX TEST-FOLDER
require "shellwords"

class Formula
  class << self
    attr_reader :said, :tested

    %i[desc homepage url sha256 license depends_on uses_from_macos].each do |name|
      define_method(name) { |*words| (@said ||= {})[name] = words.first }
    end
    def test(&block) = @tested = block
    def inherited(formula) = (@@formula = formula)
    def formula = @@formula
  end

  def self.places(**names) = names.each { |name, path| define_method(name) { "#{prefix}/#{path}" } }
  places bin: "bin", man: "share/man", doc: "share/doc/dgrid", bash_completion: "etc/bash_completion.d",
         zsh_completion: "share/zsh/site-functions", fish_completion: "share/fish/vendor_completions.d"
  attr_reader :prefix, :testpath

  def initialize(prefix, testpath)
    @prefix = prefix
    @testpath = testpath
  end

  def version = self.class.said[:url][/dgrid-([0-9.]+)\.tar\.gz\z/, 1]

  def system(*words)
    Kernel.system(*words.map(&:to_s)) or abort "failed: #{words.shelljoin}"
  end

  def shell_output(line)
    out = `#{line}`
    abort "failed: #{line}" unless $?.success?
    out
  end

  def assert_match(wanted, text)
    abort "expected #{wanted.inspect} in: #{text}" unless text.match?(wanted.is_a?(String) ? Regexp.new(Regexp.escape(wanted)) : wanted)
  end
end

class String
  def /(other) = "#{self}/#{other}" # a Pathname there
end

formula, source, prefix, testpath = ARGV
load formula
made = Formula.formula.new(prefix, testpath)
missing = %i[desc homepage url sha256 license] - Formula.formula.said.keys
abort "the formula does not say #{missing.join(', ')}" unless missing.empty?
abort "desc must be short and have no full stop" if Formula.formula.said[:desc].length > 80 || Formula.formula.said[:desc].end_with?(".")
Dir.chdir(source) { made.install }
Dir.chdir(testpath) { made.instance_eval(&Formula.formula.tested) }
